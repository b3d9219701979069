"""Duplicates: rows whose texts are equal, or nearly.

Two texts are near-duplicates when their words are the same, case, spacing and punctuation aside, or
when the sets of their five-word shingles have a Jaccard similarity of 4/5 (Broder, "On the
resemblance and containment of documents", 1997). What is held out and what --dedup near takes out
are both judged by this, exactly: docs/dependencies.md says why no sketch is used.
"""

from __future__ import annotations

import array
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Ints
from core.dataset.search import connect
from core.dataset.shingles import BATCH, NEAR, Shingled, Texts, looked_up
from core.model.conversation import Turn, conversations, shown, stored_columns


def compared(messages: Iterable[Turn]) -> str:
    """Return what is compared of an example: all that is said but the system prompt."""
    return "\n".join(shown(turn) for turn in messages if turn["role"] != "system")


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
        self.sizes[text.doc] = text.size

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
        n, sizes = text.size, self.sizes[docs]
        least = -(-near * (n + sizes) // (near + of))  # common shingles of near-duplicates
        # what the rarest of both have in common, and all the others of one of them
        most = common + np.maximum(n - looked_up(np.array(n)), sizes - looked_up(sizes))
        maybe = np.flatnonzero((np.minimum(n, sizes) >= least) & (most >= least))
        maybe = maybe[np.argsort(-common[maybe], kind="stable")]  # the likeliest first
        return docs[maybe], least[maybe]

    def confirmed(self, text: Shingled, docs: Ints, least: Ints) -> Bools:
        """Say which texts have at least so many shingles in common with a text."""
        out = np.zeros(len(docs), bool)
        own, _ = self.texts.shingles(np.array([text.doc]))
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
    alike: set[int] = set()
    for text in texts.walk(docs):
        alike.update(doc for doc in index.alike(text) if doc != text.doc)
    return [doc in alike for doc in docs[candidates].tolist()]


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
    """
    place = np.full(order.max(initial=-1) + 1, -1, np.int64)
    rows = array.array("q")
    texts = Texts.of(_texts(examples, order, rows))
    place[np.frombuffer(rows, np.int64)] = np.arange(len(rows))
    out: Ints = order[np.array(repeating(texts, place[order]), bool)]
    return out


def _texts(examples: pathlib.Path, which: Ints, rows: array.array[int]) -> Iterator[str]:
    """Yield what is compared of the wanted rows, and append their numbers to rows."""
    import pyarrow.parquet as pq

    columns = ["row", *stored_columns(pq.read_schema(examples).names)]
    for batch in pq.ParquetFile(examples).iter_batches(BATCH, columns=columns):
        there = batch.column("row").to_numpy()
        wanted = np.isin(there, which)
        rows.extend(there[wanted].tolist())
        yield from map(compared, conversations(batch.filter(wanted)))


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
        table = sql.execute(
            "select hash(prompt, response) as text from read_parquet(?) order by row",
            [str(examples)],
        ).fetchnumpy()
    return np.asarray(table["text"], np.uint64)
