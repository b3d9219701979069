"""Overlap: which test rows the training rows give away, and by which row.

A test row is given away by a row that says or asks the same, or by a near-duplicate, as
`core.dataset.groups` has it. Beside these the test rows are counted that have 13 words in a row in
common with a training row (Brown et al., "Language models are few-shot learners", 2020, appendix
C); wording that more than ten training rows have is left out, as it is there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from core.arrays import Ints
from core.dataset.compared import Compared, Slices
from core.dataset.duplicates import Index
from core.dataset.groups import questions
from core.dataset.shingles import BATCH
from core.dataset.words import Hashes

N = 13
WORDING = 10
"""Training rows that may have some 13 words before these count as wording."""
HOW = {
    "copies": "the same words",
    "prompts": "the same question",
    "near": "a near-duplicate",
    "ngrams": f"{N} words in a row in common",
}
"""What is counted, the strongest first -> in words."""
REPEATS = {
    "copies": "in the same words",
    "prompts": "asking the same",
    "near": "nearly the same",
    "ngrams": f"with {N} words in a row in common",
}
"""What is counted -> how a row repeats another."""


@dataclasses.dataclass
class Overlap:
    """For each kind: place of the test row -> place of the first training row that is so."""

    items: int
    rows: int
    by_kind: dict[str, dict[int, int]]

    @property
    def given_away(self) -> set[int]:
        """Places of the test rows that a training row gives away."""
        return {i for how in HOW if how != "ngrams" for i in self.by_kind[how]}

    def counts(self) -> dict[str, int]:
        """Return what a summary keeps."""
        return {
            "items": self.items,
            "rows": self.rows,
            "given_away": len(self.given_away),
            **{how: len(self.by_kind[how]) for how in HOW},
        }

    def pairs(self) -> list[tuple[int, int, str]]:
        """Return (test row, training row, how) by place, each test row once by its strongest."""
        best: dict[int, tuple[int, str]] = {}
        for how in HOW:
            for item, row in self.by_kind[how].items():
                best.setdefault(item, (row, how))
        return [(item, *best[item]) for item in sorted(best)]


def describe(counts: dict[str, int], rows: str) -> str:
    """Say in a sentence how many test rows are given away; empty for none.

    Args:
        counts: As `Overlap.counts` has them.
        rows: What the training rows are called, such as "rows of the pool".
    """
    if not counts:
        return ""
    if counts["given_away"]:
        parts = [f"{counts[how]:,} {so}" for how, so in REPEATS.items() if counts[how]]
        return (
            f"{counts['given_away']:,} of {counts['items']:,} test rows repeat some of the "
            f"{counts['rows']:,} {rows} ({', '.join(parts)}): a score on these says little about "
            "new questions"
        )
    if counts["ngrams"]:
        return (
            f"none of {counts['items']:,} test rows stands among the {counts['rows']:,} {rows}; "
            f"{counts['ngrams']:,} have {HOW['ngrams']} with one"
        )
    return ""


def words_in_common(compared: Compared, test: Sequence[int], train: Sequence[int]) -> Overlap:
    """Find the test rows with words in common, where `groups` set the two apart.

    So no training row says or asks the same, and none is a near-duplicate.
    """
    rows = np.array([*test, *train], np.int64)
    texts = compared.slices(compared.said[rows], compared.ends[rows])
    pairs: dict[str, dict[int, int]] = {how: {} for how in HOW}
    return Overlap(len(test), len(train), pairs | {"ngrams": _ngrams(texts, len(test))})


def overlap(compared: Compared, test: Sequence[int], train: Sequence[int]) -> Overlap:
    """Find the test rows that training rows give away; both are rows of `compared`."""
    rows = np.array([*test, *train], np.int64)
    asked = questions(compared)
    pairs: dict[str, dict[int, int]] = {how: {} for how in HOW}
    items = np.full(len(compared), -1, np.int64)
    items[rows[: len(test)]] = np.arange(len(test))
    places = np.full(len(compared), len(train), np.int64)
    places[rows[len(test) :]] = np.arange(len(train))
    pairs["copies"] = _same(compared.whole, np.arange(len(compared)), items, places, len(train))
    pairs["prompts"] = _same(asked.keys, asked.rows, items, places, len(train))
    texts = compared.slices(compared.said[rows], compared.ends[rows])
    prompts = compared.slices(asked.starts[rows], asked.ends[rows])
    prompts.leave_out_instructions()
    for item, at in (*_near(texts, len(test)), *_near(prompts, len(test))):
        pairs["near"][item] = min(at, pairs["near"].get(item, at))
    pairs["near"] |= {i: at for i, at in pairs["copies"].items() if i not in pairs["near"]}
    pairs["ngrams"] = _ngrams(texts, len(test))
    return Overlap(len(test), len(train), pairs)


def _same(keys: Hashes, rows: Ints, items: Ints, places: Ints, n_train: int) -> dict[int, int]:
    """Return place of the test row -> first training row that has a key in common.

    Args:
        keys: Of all rows.
        rows: Of each key.
        items: Row -> its place among the test rows, -1 for none.
        places: Row -> its place among the training rows, n_train for none.
        n_train: How many there are.
    """
    key, at = np.unique(keys, return_inverse=True)
    first = np.full(len(key), n_train)
    np.minimum.at(first, at, places[rows])
    out: dict[int, int] = {}
    tested = np.flatnonzero((items[rows] >= 0) & (first[at] < n_train))
    for item, row in zip(items[rows[tested]].tolist(), first[at[tested]].tolist(), strict=True):
        out[item] = min(row, out.get(item, row))
    return out


def _near(texts: Slices, n_test: int) -> Iterable[tuple[int, int]]:
    """Yield near-duplicates, a place among the first n_test texts and one among the others."""
    index = Index(texts)
    for text in texts.walk(np.arange(n_test)):
        index.enter(text)
    for text in texts.walk(np.arange(n_test, len(texts))):
        for item in index.alike(text):
            yield item, text.doc - n_test


def _ngrams(texts: Slices, n_test: int) -> dict[int, int]:
    """Return place of a test text -> first other text that has N words in a row in common."""
    own, owner = _grams(texts, np.arange(n_test))
    grams = np.unique(own)
    if not len(grams):
        return {}
    bins = np.zeros(2**24, bool)
    bins[grams >> np.uint64(40)] = True
    rows = np.zeros(len(grams), np.int64)
    first = np.full(len(grams), len(texts))
    for start in range(n_test, len(texts), BATCH):
        docs = np.arange(start, min(start + BATCH, len(texts)))
        value, doc = _grams(texts, docs)
        maybe = bins[value >> np.uint64(40)]
        value, doc = value[maybe], doc[maybe]
        at = np.minimum(np.searchsorted(grams, value), len(grams) - 1)
        hit = grams[at] == value
        pairs = np.unique(np.stack([at[hit], doc[hit]]), axis=1)
        rows += np.bincount(pairs[0], minlength=len(grams))
        np.minimum.at(first, pairs[0], docs[pairs[1]] - n_test)
    telling = (rows > 0) & (rows <= WORDING)
    out: dict[int, int] = {}
    at = np.searchsorted(grams, own)
    for item, row in zip(owner[telling[at]].tolist(), first[at][telling[at]].tolist(), strict=True):
        out[item] = min(row, out.get(item, row))
    return out


def _grams(texts: Slices, docs: Ints) -> tuple[Hashes, Ints]:
    """Return the hashes of all N words in a row, and the place in docs of each."""
    value, owner = texts.rolled(docs, N)
    return value ^ (value >> np.uint64(29)), owner
