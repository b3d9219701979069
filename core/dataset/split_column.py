"""Split columns: the data's own word for each row, as training or held out."""

from __future__ import annotations

import collections
import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

Side = Literal["pool", "held out", "pool: not understood"]

TRAIN = ("train", "training", "pool")
HELD_OUT = (
    *("test", "testing", "eval", "evaluation", "holdout", "heldout"),
    *("dev", "devel", "development", "val", "valid", "validation"),
)
"""Development rows are held out beside test rows: what choices rest on is not trained on."""
FIRST = ("holdout", "test", "validation", "eval")
"""The only words that held a row out at first."""
YES, NO = ("true", "yes", "1"), ("false", "no", "0")


class SplitMarks(NamedTuple):
    """What a split column says."""

    held: list[bool]
    """One a row."""
    values: dict[str, tuple[int, Side]]
    """Value -> rows, and where they went; most frequent first."""


def read(column: str, cells: Sequence[Any]) -> SplitMarks:
    """Understand the cells of a column; a row without a mark is of the pool.

    `train` and `test` count in any case and beside other words (`test_sft`, `validation-matched`).
    Yes and no are understood where the column's name has such a word (`is_test`).
    """
    shown = ["" if _missing(cell) else f"{cell}".strip() for cell in cells]
    counts = collections.Counter(shown)
    sides = {value: _side(column, value) for value in counts}
    values = {value or "(none)": (k, sides[value]) for value, k in counts.most_common()}
    return SplitMarks([sides[value] == "held out" for value in shown], values)


def read_first(cells: Sequence[Any]) -> list[bool]:
    """Say of each cell what was understood at first."""
    return [f"{cell}".strip().lower() in FIRST for cell in cells]


def _side(column: str, value: str) -> Side:
    if not value:
        return "pool"
    if side := _named(value):
        return side
    yes, no = value.lower() in YES, value.lower() in NO
    if (of_column := _named(column)) and (yes or no):
        return of_column if yes else ("pool" if of_column == "held out" else "held out")
    return "pool: not understood"


def _named(text: str) -> Literal["pool", "held out", ""]:
    """Return the side that a text names; empty for none or both."""
    words = set(re.findall(r"[a-z]+", re.sub(r"held[\W_]out", "heldout", text.lower())))
    train, held = bool(words & {*TRAIN}), bool(words & {*HELD_OUT})
    return "" if train == held else "pool" if train else "held out"


def _missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and cell != cell)
