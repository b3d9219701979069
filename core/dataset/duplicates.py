"""Copies: rows whose texts are equal, or nearly."""

from __future__ import annotations

import array
import collections
import hashlib
import itertools
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from core.arrays import Ints
from core.dataset.search import connect

HASHES = 128
BANDS = 16
"""With 128 hashes, 16 bands of 8: of two rows that share 80% of their shingles 95% are found."""
ALIKE = 0.8
WORDS = 5
BATCH = 4_096


def near_duplicates(examples: pathlib.Path, order: Ints) -> Ints:
    """Return the rows that share most of their shingles with an earlier one that stays.

    MinHash (Broder 1997) finds candidates and judges them; 512 bytes a row are held.
    """
    from rensa import RMinHash, RMinHashDeduplicator

    sketches: dict[int, RMinHash] = {}
    wanted = set(order.tolist())
    for batch in _texts(examples, wanted):
        made = RMinHash.from_token_sets([_shingles(text) for _, text in batch], HASHES, 0)
        sketches.update(zip((row for row, _ in batch), made, strict=True))
    found = RMinHashDeduplicator(ALIKE, HASHES, use_lsh=True, num_bands=BANDS, seed=0)
    stays = found.add_pairs((str(row), sketches[row]) for row in order.tolist())
    out: Ints = order[~np.array(stays, bool)]
    return out


def _texts(examples: pathlib.Path, wanted: set[int]) -> Iterator[list[tuple[int, str]]]:
    """Yield row and text of the wanted rows, some thousands at a time."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(examples).iter_batches(
        BATCH, columns=["row", "prompt", "response"]
    ):
        parts = zip(*(batch.column(i).to_pylist() for i in range(3)), strict=True)
        yield [(row, f"{asked}\n{told}") for row, asked, told in parts if row in wanted]


def _shingles(text: str) -> list[str]:
    """Return the pieces of five words; a shorter text is one piece."""
    words = text.lower().split()
    return [" ".join(words[i : i + WORDS]) for i in range(max(1, len(words) - WORDS + 1))]


SHINGLE = 5
"""Words in a shingle."""
NEAR = (4, 5)
"""Jaccard similarity of the shingles, as a fraction, from which two texts are near-duplicates."""
_SPACES = {c: " " for c in range(128) if not chr(c).isalnum()}
_SEPARATORS = re.compile(r"[\W_]+")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")


class _Words(NamedTuple):
    """Texts as word numbers."""

    flat: np.ndarray[Any, np.dtype[np.int32]]
    starts: np.ndarray[Any, np.dtype[np.int64]]
    """(n_texts + 1,): text i is flat[starts[i] : starts[i + 1]]."""
    codes: np.ndarray[Any, np.dtype[np.uint64]]
    """Word number -> 64 random bits."""

    def digest(self, i: int) -> bytes:
        words = self.flat[self.starts[i] : self.starts[i + 1]]
        return hashlib.blake2b(words.tobytes(), digest_size=16).digest()

    def shingles(self, docs: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[Any, Any]:
        """Return the distinct shingles of some texts, as 40 bits, and the place in docs of each.

        Sorted by place, then by shingle; a text shorter than a shingle has none.
        """
        lengths = np.maximum(self.starts[docs + 1] - self.starts[docs] - (SHINGLE - 1), 0)
        owner = np.repeat(np.arange(len(docs)), lengths)
        before = np.cumsum(lengths) - lengths
        at = np.arange(len(owner)) + np.repeat(self.starts[docs] - before, lengths)
        value = np.zeros(len(owner), np.uint64)
        for k in range(SHINGLE):
            value = value * np.uint64(0x9E3779B97F4A7C15) + self.codes[self.flat[at + k]]
        # one integer sorts by place, then shingle: 24 bits for the place, 40 for the shingle
        both = (owner.astype(np.uint64) << np.uint64(40)) | (value >> np.uint64(24))
        both.sort()
        both = both[np.append(True, both[1:] != both[:-1])[: len(both)]]
        return both & np.uint64(2**40 - 1), (both >> np.uint64(40)).astype(np.int64)


def _words(texts: Sequence[str]) -> _Words:
    vocabulary: collections.defaultdict[str, int] = collections.defaultdict(
        itertools.count().__next__
    )
    flat, starts = array.array("i"), array.array("q", [0])
    for text in texts:
        flat.extend(map(vocabulary.__getitem__, normalise(text)))
        starts.append(len(flat))
    codes = np.random.default_rng(0).integers(0, 2**64, len(vocabulary), dtype=np.uint64)
    return _Words(np.frombuffer(flat, np.int32), np.frombuffer(starts, np.int64), codes)


def normalise(text: str) -> list[str]:
    """Split a text into lower-case words; where words are not spaced, into characters."""
    if text.isascii():
        return text.translate(_SPACES).lower().split() or text.split()
    spaced = _UNSPACED.sub(r" \g<0> ", text.lower())
    return _SEPARATORS.sub(" ", spaced).split() or text.split()


def _resembling(words: _Words, docs: Any, candidates: Any) -> list[bool]:
    """Say which candidates (places in docs) are near-duplicates of any other of the docs.

    If two sets are that similar, the other holds at least 4/5 of the candidate's shingles, so one
    of any 1/5 + 1 of them: only the rarest are looked up, and few texts are compared in full.
    """
    from scipy import sparse

    near, of = NEAR
    value, owner = words.shingles(docs[candidates])
    sizes = np.bincount(owner, minlength=len(candidates))
    ends = np.cumsum(sizes)
    own = [value[end - n : end] for end, n in zip(ends, sizes, strict=True)]
    _, inverse, counts = np.unique(value, return_inverse=True, return_counts=True)
    order = np.lexsort((value, counts[inverse], owner))
    rank = np.arange(len(value)) - np.repeat(ends - sizes, sizes)
    looked_up = sizes - -(-near * sizes // of) + 1  # (n_candidates,)
    keep = rank < looked_up[owner]  # owner is sorted, so rank and owner hold after ordering
    keys, column = np.unique(value[order][keep], return_inverse=True)
    index = sparse.csr_array(
        (np.ones(len(column), np.int32), (owner[keep], column)), (len(candidates), len(keys))
    )
    found = np.zeros(len(candidates), bool)
    step = min(max(5_000_000 // max(len(candidates), 1), 64), 4096)
    for start in range(0, len(docs) if len(keys) else 0, step):
        chunk = np.arange(start, min(start + step, len(docs)))
        value, owner = words.shingles(docs[chunk])
        theirs = np.bincount(owner, minlength=len(chunk))
        stops = np.cumsum(theirs)
        at = np.minimum(np.searchsorted(keys, value), len(keys) - 1)
        hit = keys[at] == value
        seen = sparse.csr_array(
            (np.ones(hit.sum(), np.int32), (owner[hit], at[hit])), (len(chunk), len(keys))
        )
        common = (seen @ index.T).tocoo()
        row, column = common.coords
        total = theirs[row] + sizes[column]
        least = -(-near * total // (near + of))  # common shingles of near-duplicates
        maybe = (
            (chunk[row] != candidates[column])
            & (np.minimum(theirs[row], sizes[column]) >= least)
            & (common.data >= least - (sizes[column] - looked_up[column]))
        )
        for r, c, n in zip(row[maybe], column[maybe], least[maybe], strict=True):
            if not found[c]:
                other = value[stops[r] - theirs[r] : stops[r]]
                found[c] = len(np.intersect1d(own[c], other, assume_unique=True)) >= n
        if found[column[maybe]].any():
            index = sparse.diags_array(~found, dtype=np.int32) @ index
            index.eliminate_zeros()
    return [bool(f) for f in found]


def duplicates(examples: pathlib.Path) -> Ints:
    """Return the rows whose prompt and response equal those of an earlier row, ascending.

    Args:
        examples: The dataset's examples.parquet.
    """
    text = text_hashes(examples)
    _, first = np.unique(text, return_index=True)
    return np.delete(np.arange(len(text)), first)


def text_hashes(examples: pathlib.Path) -> npt.NDArray[np.uint64]:
    """Return a 64-bit hash of every row's prompt and response (n_rows,). No text is held.

    Among a million distinct rows two collide with a probability of 3e-8.

    Args:
        examples: The dataset's examples.parquet.
    """
    with connect() as sql:
        found = sql.execute(
            "select hash(prompt, response) as text from read_parquet(?) order by row",
            [str(examples)],
        ).fetchnumpy()
    return np.asarray(found["text"], np.uint64)
