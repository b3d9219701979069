"""Sides: which rows of an import are the pool and which are held out, and what that leaks."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.arrays import by_id
from core.dataset import holdout, split_column, unlike_holdout
from core.dataset.artifact import DatasetSummary
from core.dataset.compared import Compared
from core.dataset.groups import groups
from core.dataset.overlap import describe, overlap, words_in_common
from core.workspace.files import write_jsonl

PAIRS = "overlap.jsonl"
"""Test rows that others give away: test_row, row, how (a key of `overlap.HOW`)."""
POOL_PAIRS = "overlap_pool.jsonl"
"""The same of a test set and the whole pool, where fewer rows were trained on."""
VALUES_LISTED = 50


class Sides(NamedTuple):
    """How the rows were divided."""

    held: set[int]
    asked: int
    """Rows to be held out; as many as are, where a split column says."""
    values: dict[str, tuple[int, split_column.Side]]
    """Of the split column: value -> rows, side; empty without one."""
    compared: bool
    """Whether what rows ask decided; not by an old rule, nor where one side is empty."""


def choose(
    ids: Sequence[str],
    sources: Sequence[str],
    words: Compared,
    texts: Callable[[], list[str]],
    *,
    wanted: str,
    seed: int,
    rule: int,
    column: str,
    marks: Sequence[Any],
) -> Sides:
    """Divide the rows into held-out ones and the pool.

    Args:
        ids: One a row.
        sources: One a row.
        words: Of the rows; told only where rule 2 needs them.
        texts: Returns what rule 1 compares.
        wanted: How many to hold out, "auto" or a number.
        rule: 2, or 1 as it was done before questions were compared.
        column: The split column, "" for none.
        marks: Its cells, one a row.

    Raises:
        InputError: no row would be left to train on.
    """
    n = len(ids)
    asked = 0 if column else holdout.size(wanted, n)
    values: dict[str, tuple[int, split_column.Side]] = {}
    if rule == 1:
        if column:
            rows = [i for i, held in enumerate(split_column.read_first(marks)) if held]
        else:
            rows = unlike_holdout.draw(ids, texts(), sources, asked, seed)
        return Sides(set(rows), asked if not column else len(rows), values, False)
    if not (asked or column):
        return Sides(set(), 0, values, False)
    if column:
        read = split_column.read(column, marks)
        held = [row for row in range(n) if read.held[row]]
        asked, values = len(held), read.values
    else:
        order = by_id(np.array(ids, object))
        held = holdout.draw(ids, groups(words, order.tolist()), sources, asked, seed)
    return Sides(set(held), asked, values, 0 < len(held) < n)


def given_away(divided: Sides, words: Compared, folder: pathlib.Path) -> dict[str, int]:
    """Count the held-out rows that rows of the pool give away; write which those are, if any.

    Rows that were drawn were set apart by what they ask, rows of a split column were not.
    """
    if not divided.compared:
        return {}
    held = sorted(divided.held)
    pool = [row for row in range(len(words)) if row not in divided.held]
    shared = (overlap if divided.values else words_in_common)(words, held, pool)
    pairs = [
        {"test_row": held[item], "row": pool[at], "how": how} for item, at, how in shared.pairs()
    ]
    if pairs:
        write_jsonl(folder / PAIRS, pairs)
    return shared.counts()


class Notice(NamedTuple):
    """What a person must know of how the rows were divided."""

    text: str
    warns: bool
    """Whether something is to be mended."""


def report(summary: DatasetSummary) -> list[Notice]:
    """Say how the rows were divided, as far as it does not go without saying."""
    out = []
    asked, held = summary["holdout_asked"], summary["holdout_rows"]
    if held < asked:
        few = (
            f"only {held:,} of the {asked:,} rows asked for are held out: the others ask the same "
            "as too many rows, or are near-duplicates of them, that would have to be held out too"
        )
        out.append(Notice(few, True))
    out += _of_values(summary.get("split_values", {}))
    counts = summary.get("overlap", {})
    if sentence := describe(counts, "rows of the pool"):
        out.append(Notice(sentence, counts["given_away"] > 0))
    return out


def _of_values(values: Mapping[str, Any]) -> list[Notice]:
    """Say what a split column's values were understood as."""
    out = []
    sides = {
        "held out": "rows held out because the split column says so",
        "pool: not understood": "rows in the pool because their split is not understood",
    }
    for side, what in sides.items():
        rows = {value: n for value, (n, where) in values.items() if where == side}
        named = [f"{n:,} marked {value}" for value, n in rows.items()]
        more = f" and {len(named) - VALUES_LISTED:,} more" if len(named) > VALUES_LISTED else ""
        if named:
            text = f"{what}: {', '.join(named[:VALUES_LISTED])}{more}"
            out.append(Notice(text, side != "held out"))
    return out
