"""Rows that are in before a strategy draws: pinned ones, and those of an earlier selection."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.dataset.artifact import load_examples
from core.edits.log import Rows
from core.edits.row_sets import words
from core.errors import InputError
from core.selection.artifact import load_table
from core.selection.choose import PINNED
from core.selection.pool import Choice, Pool
from core.workspace.artifact import Artifact


def earlier_rows(dataset: Artifact, old: Artifact | None) -> npt.NDArray[np.int64]:
    """Return the rows of a dataset that an earlier selection has, by id."""
    if old is None:
        return np.zeros(0, np.int64)
    ids = load_table(old, ["id"])["id"]
    now = load_examples(dataset, ["id"])["id"]
    return np.flatnonzero(now.isin(ids))


class Kept(NamedTuple):
    """What is in before the strategy draws: pinned rows, and those of an earlier selection."""

    stay: Choice
    """Positions in the pool: pinned rows in order of id, then the others in their order of rank."""
    pinned: int
    """Pinned rows that are in."""
    pinned_unmeasured: int
    """Of those, rows without a loss or without a cluster."""
    pinned_missing: int
    """Pinned rows that are not in the pool."""
    earlier: int
    """Rows of the earlier selection that are in, pinned or not."""
    missing: int
    """Rows of the earlier selection that are not in the pool."""

    def sentence(self) -> str:
        """Say how many rows of the earlier selection stay, and why not all."""
        text = f"{self.earlier:,} of {self.earlier + self.missing:,} rows stay"
        gone = f"; {self.missing:,} cannot: held out, not measured, excluded, or gone from the data"
        return text + (gone if self.missing else "")


def keep(pool: Pool, old: Artifact | None, pinned: Rows = ()) -> Kept:
    """Find the pinned rows in a pool, and by id those of an earlier selection where there is one.

    Raises:
        InputError: no row of it is in the pool.
    """
    places = pd.Index(pool.rows).get_indexer(pd.Index(np.asarray(pinned, np.int64)))
    pins = np.sort(places[places >= 0])
    unpinnable = len(places) - len(pins)
    there = pool.take(pins)
    grouped = there.labels >= 0 if len(there.labels) else np.ones(len(pins), bool)
    unmeasured = int((~(there.measured() & grouped)).sum())
    if old is None:
        return Kept(Choice(pins, [PINNED] * len(pins)), len(pins), unmeasured, unpinnable, 0, 0)
    ids = load_table(old, ["id", "rank"]).sort_values("rank")["id"]
    place = pd.Index(pool.ids).get_indexer(pd.Index(ids))
    positions = place[place >= 0]
    if not len(positions):
        raise InputError(f"none of the {len(ids):,} rows of {old.name} can be selected here")
    others = positions[~np.isin(positions, pins)]
    reasons = [PINNED] * len(pins) + [f"kept from {old.id}"] * len(others)
    stay = Choice(np.concatenate([pins, others]), reasons)
    missing = int((place < 0).sum())
    return Kept(stay, len(pins), unmeasured, unpinnable, len(positions), missing)


def edited(pool: Pool, kept: Kept) -> str:
    """Say how many rows edits and filters take out and put in; empty where there are none."""
    parts = [f"{words(pool.excluded)} excluded"] if pool.excluded else []
    parts += [f"{words(rows)} taken out: {reason}" for reason, rows in pool.filtered.items()]
    if kept.pinned:
        without = f", {kept.pinned_unmeasured:,} of them without a loss or a cluster"
        parts.append(f"{words(kept.pinned)} pinned" + (without if kept.pinned_unmeasured else ""))
    if kept.pinned_missing:
        missing = f"{words(kept.pinned_missing)} pinned but not to be selected"
        parts.append(f"{missing}: held out for testing, or without a response token")
    return "; ".join(parts)
