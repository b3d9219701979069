"""Filters before a strategy chooses: copies of a row, and rows too short or too long.

What is pinned or kept is never taken out, and of copies it is the one that stays.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Ints, by_id
from core.dataset import minhash
from core.dataset.duplicates import near_duplicates, text_hashes
from core.errors import InputError
from core.settings import Group, setting

GUARDED = "harder than its kind"
"""Why a row is out that the guard suspects."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filters(Group):
    """Which rows no strategy may choose."""

    dedup: Literal["none", "exact", "near"] = setting(
        "none",
        help="Keep one row of each text: exact compares prompt and response; near also takes "
        "out rows with the same words or 4/5 of their five-word shingles in common, as the holdout "
        "does",
        label="Remove duplicates",
    )
    near_rule: int = setting(
        2,
        help="How near-duplicates are judged: 2 as the holdout does, 1 as selections did before",
        minimum=1,
        maximum=2,
        hidden=True,
    )
    min_tokens: int = setting(
        0, help="Leave rows of fewer response tokens out", minimum=0, advanced=True
    )
    max_tokens: int = setting(
        0, help="Leave rows of more response tokens out; 0 is no limit", minimum=0, advanced=True
    )

    guard: Literal["off", "relative"] = setting(
        "off",
        help="relative leaves out rows whose final loss lies above the median plus two robust "
        "deviations of the texts most like them: fewer wrong answers, and some of the hardest "
        "right ones; in our experiments the model trained worse for it (docs/evidence.md)",
        label="Guard against wrong answers",
    )

    def validate(self) -> None:
        if 0 < self.max_tokens < self.min_tokens:
            raise InputError(
                f"--max-tokens {self.max_tokens} is below --min-tokens {self.min_tokens}; no row "
                "could stay"
            )


def words(filters: Filters) -> list[str]:
    """Name the filters that are on, for the name of a selection."""
    out = [] if filters.dedup == "none" else [f"{filters.dedup} dedup"]
    out += [f"from {filters.min_tokens:,} tokens"] if filters.min_tokens else []
    out += [f"to {filters.max_tokens:,} tokens"] if filters.max_tokens else []
    return out if filters.guard == "off" else [*out, f"{filters.guard} guard"]


def leave_out(
    filters: Filters,
    usable: Bools,
    ids: npt.NDArray[np.object_],
    tokens: Ints,
    examples: pathlib.Path,
    protected: Ints,
    hard: Callable[[Ints], Bools] = lambda rows: np.zeros(len(rows), bool),
) -> dict[str, Ints]:
    """Return the rows to take out by reason: lengths, copies, then what the guard suspects.

    Reasons without rows are left.

    Args:
        usable: Whether a row could be chosen otherwise (n_rows,).
        ids: Of all rows (n_rows,); of copies the first by id stays.
        tokens: Response tokens (n_rows,); empty where they were not counted.
        examples: The dataset's examples.parquet.
        protected: Rows that stay whatever they are.
        hard: Says of rows, in order of id, which the guard suspects.

    Raises:
        InputError: lengths are asked for and were not counted.
    """
    if (filters.min_tokens or filters.max_tokens) and not len(tokens):
        raise InputError(
            "--min-tokens and --max-tokens need trajectories, which hold the token counts; "
            "select from trajectories or clusters"
        )
    out: dict[str, Ints] = {}
    left = usable.copy()
    guarded = np.zeros(len(usable), bool)
    guarded[protected] = True

    def take(reason: str, hit: Bools) -> None:
        rows = np.flatnonzero(hit & left & ~guarded)
        left[rows] = False
        if len(rows):
            out[reason] = rows

    if filters.min_tokens:
        take("too short", tokens < filters.min_tokens)
    if filters.max_tokens:
        take("too long", tokens > filters.max_tokens)
    if filters.dedup != "none":
        text = text_hashes(examples)
        copies = np.ones(len(usable), bool)
        order = _order(left, ids, guarded)
        copies[order[np.unique(text[order], return_index=True)[1]]] = False
        take("exact duplicate", copies)
    if filters.dedup == "near":
        alike = np.zeros(len(usable), bool)
        judge = near_duplicates if filters.near_rule == 2 else minhash.near_duplicates
        alike[judge(examples, _order(left, ids, guarded))] = True
        take("near duplicate", alike)
    if filters.guard == "relative":
        rows = np.flatnonzero(left)
        rows = rows[by_id(ids[rows])]
        suspected = np.zeros(len(usable), bool)
        suspected[rows] = hard(rows)
        take(GUARDED, suspected)
    return out


def _order(left: Bools, ids: npt.NDArray[np.object_], guarded: Bools) -> Ints:
    """Return the rows that are left, protected ones first, then by id."""
    rows = np.flatnonzero(left)
    rows = rows[by_id(ids[rows])]
    return np.concatenate([rows[guarded[rows]], rows[~guarded[rows]]])
