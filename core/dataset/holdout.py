"""Which rows are held out: a source-stratified draw that leaves no near-copy of a test row behind.

Rows with the same words (case, spacing and punctuation aside) form a unit and move together. A unit
that resembles any other unit is never held out, so nothing in the pool resembles a test row.
References: Broder, "On the resemblance and containment of documents", 1997 (shingles); Chaudhuri
et al., "A primitive operator for similarity joins", 2006 (the prefix filter).
"""

from __future__ import annotations

import array
import collections
import hashlib
import itertools
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

SHINGLE = 5
"""Words in a shingle."""
NEAR = (4, 5)
"""Jaccard similarity of the shingles, as a fraction, from which two texts are near-duplicates."""
AUTO_SHARE, AUTO_MOST, AUTO_FROM = 0.05, 1000, 100

_SPACES = {c: " " for c in range(128) if not chr(c).isalnum()}
_SEPARATORS = re.compile(r"[\W_]+")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")


def size(wanted: str, n_rows: int) -> int:
    """Return how many rows `auto` or a number asks for.

    Raises:
        ValueError: it would leave nothing to train on.
    """
    if wanted == "auto":
        return min(AUTO_MOST, int(AUTO_SHARE * n_rows)) if n_rows >= AUTO_FROM else 0
    if int(wanted) > 0 and int(wanted) >= n_rows:
        raise ValueError(
            f"--holdout {wanted} leaves no row to train on: there are {n_rows:,}; ask for fewer"
        )
    return int(wanted)


def quotas(sources: Sequence[str], n: int) -> collections.Counter[str]:
    """Share n rows among the sources in proportion to their size, by largest remainder."""
    counts = collections.Counter(sources)
    exact = {s: divmod(n * count, len(sources)) for s, count in counts.items()}
    out = collections.Counter({s: whole for s, (whole, _) in exact.items()})
    by_remainder = sorted(counts, key=lambda s: (-exact[s][1], s))
    out.update(by_remainder[: n - out.total()])
    return out


def draw(
    ids: Sequence[str], texts: Sequence[str], sources: Sequence[str], n: int, seed: int
) -> list[int]:
    """Draw the rows to hold out; the same ids whatever the order of the rows.

    Args:
        ids: Distinct, one a row.
        texts: What is compared between rows.
        sources: The strata.
        n: Rows wanted; fewer come back when too few are unlike all others.
        seed: Of the draw.

    Returns:
        Row numbers, ascending.
    """
    if n == 0:
        return []
    order = sorted(range(len(ids)), key=ids.__getitem__)
    words = _words([texts[row] for row in order])
    by_words: dict[bytes, list[int]] = {}
    firsts = []  # unit -> its first text in `words`
    for i, row in enumerate(order):
        rows = by_words.setdefault(words.digest(i), [])
        if not rows:
            firsts.append(i)
        rows.append(row)
    units = list(by_words.values())
    docs = np.array(firsts)
    resembles: dict[int, bool] = {}
    taken: list[int] = []

    def take(queue: list[int], labels: Sequence[str], need: collections.Counter[str]) -> None:
        """Take units in the order of the queue until every label has what it needs."""

        def fits(unit: int, room: collections.Counter[str]) -> bool:
            if len(units[unit]) == 1:
                return room[labels[units[unit][0]]] > 0
            wants = collections.Counter(labels[row] for row in units[unit])
            return all(room[label] >= k for label, k in wants.items())

        spare = 1.25
        while queue and need.total() > 0:
            room = collections.Counter({s: math.ceil(k * spare) + 4 for s, k in need.items() if k})
            batch, later = [], []
            for unit in queue:
                if fits(unit, room):
                    batch.append(unit)
                    room.subtract(labels[row] for row in units[unit])
                elif fits(unit, need):
                    later.append(unit)
            new = [unit for unit in batch if unit not in resembles]
            resembles.update(zip(new, _resembling(words, docs, np.array(new, int)), strict=True))
            for unit in batch:
                if not resembles[unit] and fits(unit, need):
                    taken.append(unit)
                    need.subtract(labels[row] for row in units[unit])
            queue, spare = later, spare * 4

    shuffled = np.random.default_rng(seed).permutation(len(units)).tolist()
    take(shuffled, sources, quotas(sources, n))
    short = n - sum(len(units[unit]) for unit in taken)
    if short:  # some source has too few rows unlike all others: the rest may give them
        chosen = set(taken)
        left = [unit for unit in shuffled if unit not in chosen and not resembles.get(unit)]
        take(left, [""] * len(ids), collections.Counter({"": short}))
    return sorted(row for unit in taken for row in units[unit])


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
