"""Texts as shingles: every five words in a row, as numbers, and which of them are rare."""

from __future__ import annotations

import collections
import concurrent.futures
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from core.arrays import Ints
from core.dataset.words import GOLDEN, TEXTS, Codes, Flat, Hashes, as_texts, told_in_parts

SHINGLE = 5
"""Words in a shingle."""
NEAR = (4, 5)
"""Jaccard similarity of the shingles, as a fraction, from which two texts are near-duplicates."""
BATCH = 4_096
WALKED = 1_024
"""Texts whose shingles are told at once where all are: what they take is in the cache."""
THREADS = 2
T = TypeVar("T")
MAX_BINS = 2**26
"""Bins in which the texts that have a shingle are counted, a byte each."""
COUNTED = 60_000
"""Shingles counted at once: fewer than 16 bits hold."""


class Shingled(NamedTuple):
    """A text as its shingles."""

    doc: int
    size: int
    """How many there are; a text shorter than a shingle has none."""
    rare: list[int]
    """Of the rarest 1/5 + 1 those that another text may have, too."""


class Texts:
    """Texts as ranges of words; a text is named by its place, `doc`."""

    def __init__(self, flat: Flat, starts: Ints, ends: Ints) -> None:
        self.flat, self.starts, self.ends = flat, starts, ends

    @classmethod
    def of(cls, texts: Iterable[str]) -> Texts:
        """Tell the words of texts."""
        flat, edges = Flat(), [np.zeros(1, np.int64)]
        left = iter(texts)
        while some := list(itertools.islice(left, TEXTS)):
            for value, counts in told_in_parts(as_texts(some)):
                edges.append(np.cumsum(counts) + flat.n)
                flat.append((value >> np.uint64(32)).astype(np.uint32))
        ends = np.concatenate(edges)
        return cls(flat, ends[:-1], ends[1:])

    def __len__(self) -> int:
        return len(self.starts)

    def digest(self, doc: int) -> bytes:
        """Hash the words: equal for equal words."""
        own = self.flat.range(int(self.starts[doc]), int(self.ends[doc]))
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
        some = np.flatnonzero(n)
        codes = self.flat.ranges(self.starts[docs[some]], self.ends[docs[some]])
        value = _rolled(codes, length)
        whole = np.ones(len(codes), bool)  # not those that reach into the next text
        whole[(np.cumsum(n_words[some])[:, None] - np.arange(1, length)).ravel()] = False
        return value[whole[: len(value)]], np.repeat(np.arange(len(docs)), n)

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
        n_words = int((self.ends - self.starts).sum())
        counts = np.zeros(min(MAX_BINS, 2 << (2 * n_words).bit_length()), np.uint16)
        starts = range(0, len(self), WALKED)
        for value, _ in _side_by_side(lambda s: self.windows(self._batch(s)), starts):
            bins = (value & np.uint64(len(counts) - 1)).astype(np.intp)
            for at in range(0, len(bins), COUNTED):
                some = bins[at : at + COUNTED]
                np.add.at(counts, some, np.uint16(1))  # of its own type, else 40 times slower
                counts[some] = np.minimum(counts[some], 255)
        halves = counts.view(np.uint8)  # in place: no count is written over before it is read
        for at in range(0, len(counts), COUNTED):
            some = counts[at : at + COUNTED].astype(np.uint8)
            halves[at : at + len(some)] = some
        counts.resize(len(counts) // 2, refcheck=False)
        return counts.view(np.uint8)

    def prefixes(self, part: Ints) -> tuple[Ints, Hashes, Ints]:
        """Return of some texts the rarest 1/5 + 1 shingles, as far as another text may have them.

        Returns:
            The place in part of each, ascending; the shingle; and how many distinct ones a text has
            in all.
        """
        value, owner = self.windows(part)
        texts = self._bins[value & np.uint64(len(self._bins) - 1)]
        shared = np.flatnonzero(texts > 1)  # the others are rarer, and each there once
        n_alone = np.bincount(owner, minlength=len(part))
        owner = owner[shared]
        n_alone -= np.bincount(owner, minlength=len(part))
        # place, texts and shingle in 16, 8 and 40 bits: sorted within a text, rarest first
        texts = texts[shared].astype(np.uint64) << np.uint64(40)
        rarest = _distinct((owner.astype(np.uint64) << np.uint64(48)) | texts | value[shared])
        owner = (rarest >> np.uint64(48)).astype(np.int64)
        n = np.bincount(owner, minlength=len(part))
        rank = np.arange(len(owner)) + np.repeat(n_alone - np.cumsum(n) + n, n)
        rare = rank < looked_up(n_alone + n)[owner]
        return owner[rare], rarest[rare] & np.uint64(2**40 - 1), n_alone + n

    def all_prefixes(self) -> Iterator[tuple[int, tuple[Ints, Hashes, Ints]]]:
        """Yield the first text of each batch of all texts, and what `prefixes` returns of it."""
        starts = range(0, len(self), WALKED)
        self._bins  # noqa: B018  counted before several threads look
        found = _side_by_side(lambda s: self.prefixes(self._batch(s)), starts)
        yield from zip(starts, found, strict=True)

    def _batch(self, start: int) -> Ints:
        return np.arange(start, min(start + WALKED, len(self)))

    def walk(self, docs: Ints) -> Iterator[Shingled]:
        """Yield texts with their shingles, in the order of docs."""
        for start in range(0, len(docs), BATCH):
            part = docs[start : start + BATCH]
            owner, value, sizes = self.prefixes(part)
            stops = np.cumsum(np.bincount(owner, minlength=len(part))).tolist()
            rare, at = value.tolist(), 0
            for doc, size, stop in zip(part.tolist(), sizes.tolist(), stops, strict=True):
                yield Shingled(doc, size, rare[at:stop])
                at = stop


def _side_by_side(work: Callable[[int], T], starts: range) -> Iterator[T]:
    """Yield what a function returns of batches, in order, some computed ahead by two threads."""
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        waiting: collections.deque[concurrent.futures.Future[T]] = collections.deque()
        for start in starts:
            waiting.append(pool.submit(work, start))
            if len(waiting) > THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _rolled(codes: Codes, length: int) -> Hashes:
    """Return the hash of every so many words in a row: by doubling, in few passes."""
    value = codes.astype(np.uint64) * GOLDEN
    value ^= value >> np.uint64(29)
    stop = max(len(codes) - length + 1, 0)
    whole, held = np.zeros(stop, np.uint64), 0
    if not stop:
        return whole
    width, factor = 1, int(GOLDEN)
    while held < length:
        if length & width:  # the bits of the length say which powers of two it is made of
            whole *= np.uint64(factor)
            whole += value[held : held + stop]
            held += width
        if held < length:
            longer = value[:-width] * np.uint64(factor)
            longer += value[width:]
            value = longer
            width, factor = 2 * width, factor * factor % 2**64
    return whole


def _distinct(values: Hashes) -> Hashes:
    """Return the distinct values, ascending; the array is sorted in place."""
    values.sort()
    kept: Hashes = values[np.append(True, values[1:] != values[:-1])[: len(values)]]
    return kept


def looked_up(sizes: Ints) -> Ints:
    """Return how many of a text's shingles a near-duplicate cannot lack all of."""
    near, of = NEAR
    return sizes - -(-near * sizes // of) + 1
