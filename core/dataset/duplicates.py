"""Duplicates: rows whose texts are equal, or nearly.

Two texts are near-duplicates when their words are the same, case, spacing and punctuation aside, or
when the sets of their five-word shingles have a Jaccard similarity of 4/5 (Broder, "On the
resemblance and containment of documents", 1997). What is held out and what --dedup near takes out
are both judged by this, exactly: docs/dependencies.md says why no sketch is used.
"""

from __future__ import annotations

import array
import collections
import functools
import hashlib
import itertools
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Ints
from core.dataset.search import connect

Hashes = npt.NDArray[np.uint64]

SHINGLE = 5
"""Words in a shingle."""
NEAR = (4, 5)
"""Jaccard similarity of the shingles, as a fraction, from which two texts are near-duplicates."""
BATCH = 4_096
MAX_BINS = 2**26
"""Bins in which the texts that have a shingle are counted, a byte each."""
COUNTED = 60_000
"""Shingles counted at once: fewer than 16 bits hold."""
_SPACES = {c: " " for c in range(128) if not chr(c).isalnum()}
_SEPARATORS = re.compile(r"[\W_]+")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")


def compared(messages: Iterable[Mapping[str, str]]) -> str:
    """Return what is compared of an example: all that is said but the system prompt."""
    return "\n".join(turn["content"] for turn in messages if turn["role"] != "system")


def words(text: str) -> list[str]:
    """Split a text into lower-case words; where words are not spaced, into characters."""
    if text.isascii():
        return text.translate(_SPACES).lower().split() or text.split()
    spaced = _UNSPACED.sub(r" \g<0> ", text.lower())
    return _SEPARATORS.sub(" ", spaced).split() or text.split()


class Shingled(NamedTuple):
    """A text as its shingles."""

    doc: int
    all: Hashes
    """Distinct, the rarest first; a text shorter than a shingle has none."""
    rare: list[int]
    """Of the rarest 1/5 + 1 those that another text may have, too."""


class Texts:
    """Texts as numbers of words; a text is named by its place, `doc`."""

    def __init__(self, texts: Iterable[str]) -> None:
        vocabulary: collections.defaultdict[str, int] = collections.defaultdict(
            itertools.count().__next__
        )
        flat, starts = array.array("i"), array.array("q", [0])
        for text in texts:
            flat.extend(map(vocabulary.__getitem__, words(text)))
            starts.append(len(flat))
        self.flat = np.frombuffer(flat, np.int32)
        edges = np.frombuffer(starts, np.int64)
        self.starts, self.ends = edges[:-1], edges[1:]
        self.codes = np.random.default_rng(0).integers(0, 2**64, len(vocabulary), dtype=np.uint64)

    def __len__(self) -> int:
        return len(self.starts)

    def digest(self, doc: int) -> bytes:
        """Hash the words: equal for equal words."""
        own = self.flat[self.starts[doc] : self.ends[doc]]
        return hashlib.blake2b(own.tobytes(), digest_size=16).digest()

    def windows(self, docs: Ints) -> tuple[Hashes, Ints]:
        """Return the shingles of some texts, as 40 bits, and the place in docs of each, ascending.

        One that a text has twice is there twice.
        """
        value, owner = self.rolled(docs, SHINGLE)
        return value >> np.uint64(24), owner

    def rolled(self, docs: Ints, length: int) -> tuple[Hashes, Ints]:
        """Return the hashes of so many words in a row, and the place in docs of each, ascending."""
        n_words = self.ends[docs] - self.starts[docs]
        n = np.maximum(n_words - (length - 1), 0)
        n_words = np.where(n, n_words, 0)
        ends = np.cumsum(n_words)
        at = np.arange(n_words.sum()) + np.repeat(self.starts[docs] - ends + n_words, n_words)
        codes = self.codes[self.flat[at]]
        stop = max(len(codes) - length + 1, 0)
        value = np.zeros(stop, np.uint64)
        for k in range(length):
            value *= np.uint64(0x9E3779B97F4A7C15)
            value += codes[k : k + stop]
        whole = np.ones(len(codes), bool)  # not those that reach into the next text
        whole[(ends[n > 0][:, None] - np.arange(1, length)).ravel()] = False
        return value[whole[:stop]], np.repeat(np.arange(len(docs)), n)

    def shingles(self, docs: Ints) -> tuple[Hashes, Ints]:
        """Return the distinct shingles of some texts, as 40 bits, and the place in docs of each.

        Sorted by place, then by shingle.
        """
        value, owner = self.windows(docs)
        # one integer sorts by place, then shingle: 24 bits for the place, 40 for the shingle
        both = _distinct((owner.astype(np.uint64) << np.uint64(40)) | value)
        return both & np.uint64(2**40 - 1), (both >> np.uint64(40)).astype(np.int64)

    @functools.cached_property
    def _bins(self) -> npt.NDArray[np.uint8]:
        """Count how often a shingle is there, at most 255; some shingles share a bin."""
        counts = np.zeros(min(MAX_BINS, 1 << (2 * len(self.flat)).bit_length()), np.uint16)
        for start in range(0, len(self), BATCH):
            value, _ = self.windows(np.arange(start, min(start + BATCH, len(self))))
            bins = (value & np.uint64(len(counts) - 1)).astype(np.intp)
            for at in range(0, len(bins), COUNTED):
                some = bins[at : at + COUNTED]
                np.add.at(counts, some, np.uint16(1))  # of its own type, else 40 times slower
                counts[some] = np.minimum(counts[some], 255)
        return counts.astype(np.uint8)

    def walk(self, docs: Ints) -> Iterator[Shingled]:
        """Yield texts with their shingles, in the order of docs."""
        for start in range(0, len(docs), BATCH):
            part = docs[start : start + BATCH]
            value, owner = self.windows(part)
            texts = self._bins[value & np.uint64(len(self._bins) - 1)].astype(np.uint64)
            # place, texts and shingle in 12, 8 and 40 bits: sorted within a text, rarest first
            rarest = (owner.astype(np.uint64) << np.uint64(48)) | (texts << np.uint64(40)) | value
            rarest = _distinct(rarest)
            owner = (rarest >> np.uint64(48)).astype(np.int64)
            value = rarest & np.uint64(2**40 - 1)
            sizes = np.bincount(owner, minlength=len(part))
            ends = np.cumsum(sizes)
            rank = np.arange(len(value)) - np.repeat(ends - sizes, sizes)
            shared = (rarest >> np.uint64(40)) & np.uint64(255) > 1
            rare = np.flatnonzero((rank < _looked_up(sizes)[owner]) & shared)
            stops = np.cumsum(np.bincount(owner[rare], minlength=len(part))).tolist()
            looked_up = value[rare].tolist()
            ends = ends.tolist()
            for i, doc in enumerate(part.tolist()):
                own = value[ends[i - 1] if i else 0 : ends[i]]
                yield Shingled(doc, own, looked_up[stops[i - 1] if i else 0 : stops[i]])


def _distinct(values: Hashes) -> Hashes:
    """Return the distinct values, ascending; the array is sorted in place."""
    values.sort()
    kept: Hashes = values[np.append(True, values[1:] != values[:-1])[: len(values)]]
    return kept


def _looked_up(sizes: Ints) -> Ints:
    """Return how many of a text's shingles a near-duplicate cannot lack all of."""
    near, of = NEAR
    return sizes - -(-near * sizes // of) + 1


class Index:
    """Texts to be found by a near-duplicate of them, exactly.

    Near-duplicates share 4/5 of the shingles of either, so they share one of the rarest 1/5 + 1 of
    both (the prefix filter: Chaudhuri et al., "A primitive operator for similarity joins", 2006).
    So most texts meet no other, and few are compared in full.
    """

    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        self.sizes = np.zeros(len(texts), np.int64)
        self.having: dict[int, array.array[int]] = {}
        """Shingle -> texts that have it among their rarest."""

    def enter(self, text: Shingled) -> None:
        """Let a text be found."""
        for shingle in text.rare:
            self.having.setdefault(shingle, array.array("q")).append(text.doc)
        self.sizes[text.doc] = len(text.all)

    def alike(self, text: Shingled) -> list[int]:
        """Return the near-duplicates among what was entered, itself too if it was."""
        docs, least = self.candidates(text)
        near: list[int] = docs[self.confirmed(text, docs, least)].tolist()
        return near

    def candidates(self, text: Shingled) -> tuple[Ints, Ints]:
        """Return what may be a near-duplicate, and how many shingles it must have in common."""
        met = array.array("q")
        for shingle in text.rare:
            if shingle in self.having:
                met += self.having[shingle]
        if not met:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        near, of = NEAR
        docs, common = np.unique(np.frombuffer(met, np.int64), return_counts=True)
        n, sizes = len(text.all), self.sizes[docs]
        least = -(-near * (n + sizes) // (near + of))  # common shingles of near-duplicates
        # what the rarest of both have in common, and all the others of one of them
        most = common + np.maximum(n - _looked_up(np.array(n)), sizes - _looked_up(sizes))
        maybe = np.flatnonzero((np.minimum(n, sizes) >= least) & (most >= least))
        maybe = maybe[np.argsort(-common[maybe], kind="stable")]  # the likeliest first
        return docs[maybe], least[maybe]

    def confirmed(self, text: Shingled, docs: Ints, least: Ints) -> Bools:
        """Say which texts have at least so many shingles in common with a text."""
        out = np.zeros(len(docs), bool)
        own = np.sort(text.all)
        for start in range(0, len(docs), BATCH):
            part = slice(start, start + BATCH)
            value, owner = self.texts.shingles(docs[part])
            at = np.minimum(np.searchsorted(own, value), len(own) - 1)
            both = np.bincount(owner[own[at] == value], minlength=len(docs[part]))
            out[part] = both >= least[part]
        return out


def resembling(texts: Texts, docs: Ints, candidates: Ints) -> list[bool]:
    """Say which candidates (places in docs) are near-duplicates of any other of the docs.

    Args:
        texts: Holds the docs.
        docs: Texts of which no two have the same words.
        candidates: Places in docs.
    """
    index = Index(texts)
    for text in texts.walk(docs[candidates]):
        index.enter(text)
    found: set[int] = set()
    for text in texts.walk(docs):
        found.update(doc for doc in index.alike(text) if doc != text.doc)
    return [doc in found for doc in docs[candidates].tolist()]


def repeating(texts: Texts, order: Ints) -> list[bool]:
    """Say of each text, in this order, whether it repeats an earlier one that stays."""
    index, seen = Index(texts), set()
    out = []
    for text in texts.walk(order):
        digest = texts.digest(text.doc)
        out.append(digest in seen or bool(index.alike(text)))
        seen.add(digest)
        if not out[-1]:
            index.enter(text)
    return out


def near_duplicates(examples: pathlib.Path, order: Ints) -> Ints:
    """Return the rows that are near-duplicates of an earlier one that stays, in their order.

    4 bytes a word are held.

    Args:
        examples: The dataset's examples.parquet.
        order: The rows to compare.
    """
    place = np.full(order.max(initial=-1) + 1, -1, np.int64)
    rows = array.array("q")
    wanted = np.zeros(len(place), bool)
    wanted[order] = True
    texts = Texts(_texts(examples, wanted, rows))
    place[np.frombuffer(rows, np.int64)] = np.arange(len(rows))
    out: Ints = order[np.array(repeating(texts, place[order]), bool)]
    return out


def _texts(examples: pathlib.Path, wanted: Bools, rows: array.array[int]) -> Iterator[str]:
    """Yield what is compared of the wanted rows, and append their numbers to rows."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(examples).iter_batches(BATCH, columns=["row", "messages"]):
        there, messages = (batch.column(i) for i in range(2))
        for row, said in zip(there.to_pylist(), messages.to_pylist(), strict=True):
            if row < len(wanted) and wanted[row]:
                rows.append(row)
                yield compared(said)


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
