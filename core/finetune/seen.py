"""Seen: the test rows that the training rows give away, as `core.dataset.overlap` has it."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from core.arrays import Bools, Ints
from core.dataset.artifact import examples_file
from core.dataset.compared import Compared
from core.dataset.overlap import Overlap, describe, overlap
from core.dataset.sides import PAIRS, POOL_PAIRS
from core.model.conversation import Turn, conversations, stored_columns
from core.workspace.artifact import Artifact
from core.workspace.files import write_jsonl

BATCH = 4_096


@dataclasses.dataclass(frozen=True)
class Seen:
    """Overlap of one test set with the rows trained on, and with the pool they are from."""

    trained: Overlap
    pool: Overlap
    test_rows: Ints
    """Places of the test items -> rows of their dataset."""
    trained_rows: Ints
    pool_rows: Ints

    def overlapping(self) -> Ints:
        """Return the rows of the test's dataset that have anything in common with the pool.

        Of the pool and not of what was trained on, so that they are the same for every arm.
        """
        items = sorted({i for pairs in self.pool.by_kind.values() for i in pairs})
        out: Ints = self.test_rows[items] if items else np.zeros(0, np.int64)
        return out

    def scores(self) -> dict[str, Any]:
        """Return what scores.json keeps; the plain numbers are in the summary, too."""
        return {
            "seen": len(self.trained.given_away),
            "seen_in_pool": len(self.pool.given_away),
            "overlap": {"trained": self.trained.counts(), "pool": self.pool.counts()},
        }

    def sentence(self) -> str:
        """Say how many test rows are given away; empty where none is."""
        trained = describe(self.trained.counts(), "rows trained on")
        if self.pool.given_away and not self.trained.given_away:
            return (
                describe(self.pool.counts(), "rows of the pool") + "; none of them was trained on"
            )
        return trained

    def write(self, folder: pathlib.Path) -> None:
        """Write which test row is like which trained row, and like which of the pool's.

        No file without any; where all of the pool was trained on, one says both.
        """
        sides = {PAIRS: (self.trained, self.trained_rows)}
        if len(self.trained_rows) < len(self.pool_rows):
            sides[POOL_PAIRS] = (self.pool, self.pool_rows)
        for name, (matches, rows) in sides.items():
            pairs = [
                {"test_row": int(self.test_rows[item]), "row": int(rows[at]), "how": how}
                for item, at, how in matches.pairs()
            ]
            if pairs:
                write_jsonl(folder / name, pairs)


def seen(dataset: Artifact, trained: Ints, test: Artifact, split: str) -> Seen:
    """Compare a test set with rows of a dataset.

    Args:
        dataset: Where the training rows are from.
        trained: Rows of it; the pool is compared, too.
        split: Which of its rows, "holdout" or "all".
    """
    asked, pool = _rows(test, "" if split == "all" else split), _rows(dataset, "pool")
    test_rows, pool_rows = np.flatnonzero(asked), np.flatnonzero(pool)

    def both() -> Iterator[list[Turn]]:
        yield from _talks(test, asked)
        yield from _talks(dataset, pool)

    compared = Compared(both())
    n_test = len(test_rows)
    rows = np.intersect1d(trained, pool_rows)
    places = n_test + np.searchsorted(pool_rows, rows)
    return Seen(
        overlap(compared, range(n_test), places.tolist()),
        overlap(compared, range(n_test), range(n_test, len(compared))),
        test_rows,
        rows,
        pool_rows,
    )


def _rows(dataset: Artifact, split: str) -> Bools:
    """Say which rows are of a split; all where it is empty."""
    table = pq.read_table(examples_file(dataset), columns=["split"])
    of_split: Bools = np.array(table["split"].to_pylist(), object) == split
    return of_split | (not split)


def _talks(dataset: Artifact, rows: Bools) -> Iterator[list[Turn]]:
    """Yield the conversations of some rows, a batch in memory at a time."""
    start = 0
    with pq.ParquetFile(examples_file(dataset)) as file:
        columns = stored_columns(file.schema_arrow.names)
        for batch in file.iter_batches(BATCH, columns=columns):
            keep = rows[start : start + len(batch)]
            start += len(batch)
            for turns, kept in zip(conversations(batch), keep.tolist(), strict=True):
                if kept:
                    yield turns
