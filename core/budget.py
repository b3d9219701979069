"""Budgets: their grammar, the same everywhere, how groups share one, and how long it trains."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Literal

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

GRAMMAR = "a number of rows (30000), a share (0.11 or 11%) or response tokens (500k tokens)"

PATTERN = re.compile(
    r"([+-]?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+))"
    r"\s*(k|m|g)?\s*(%|tokens?|rows?)?"
)
"""Commas part thousands only: 0,11 is refused, not read as 11 rows."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """How much to select."""

    kind: Literal["rows", "share", "tokens"]
    value: float
    """Rows, a share in (0, 1], or response tokens."""

    def rows(self, pool: int) -> int:
        """Return the number of rows this is of a pool; at least one.

        Raises:
            ValueError: more rows than the pool has, or a token budget (which has no row count).
        """
        if self.kind == "tokens":
            raise ValueError("a token budget has no fixed number of rows")
        if self.kind == "share":
            return max(1, math.floor(self.value * pool + 1e-9))
        if self.value > pool:
            raise ValueError(
                f"the budget of {self.value:,.0f} rows is more than the {pool:,} eligible rows"
            )
        return int(self.value)

    def __str__(self) -> str:
        if self.kind == "share":
            return f"{100 * self.value:g}%"
        return f"{self.value:,.0f} {self.kind}"


def parse(text: str) -> Budget:
    """Read a budget.

    Raises:
        ValueError: not of the grammar, or zero, negative, or above 100%.
    """
    match = PATTERN.fullmatch(text.strip().lower())
    if not match:
        raise ValueError(f"the budget {text!r} is not {GRAMMAR}")
    number, scale, unit = match.groups()
    value = float(number.replace(",", "")) * {"k": 1e3, "m": 1e6, "g": 1e9}.get(scale or "", 1)
    if not 0 < value < 1e15 or (unit == "%" and scale):
        raise ValueError(f"the budget {text!r} must be more than 0 and {GRAMMAR}")
    if unit == "%":
        value /= 100
    if unit == "%" or (unit is None and scale is None and "." in number and value <= 1):
        if value > 1:
            raise ValueError(f"the budget {text!r} is above 100%")
        return Budget("share", value)
    if value != int(value):
        raise ValueError(f"the budget {text!r} is not a whole number; it is {GRAMMAR}")
    return Budget("tokens" if unit and unit.startswith("token") else "rows", value)


def water_fill(sizes: npt.ArrayLike, budget: int) -> Ints:
    """Share a budget over groups as evenly as their sizes allow (S2L, Algorithm 1).

    Smallest group first: each may take an equal share of what is left; what a small group cannot
    use goes to the larger ones. Ties keep their order.

    Args:
        sizes: Members of each group (n_groups,).
        budget: Rows to share, 0 to the sum of sizes.

    Returns:
        Rows taken of each group (n_groups,), summing to the budget exactly.
    """
    sizes = np.asarray(sizes, np.int64)
    taken = np.zeros(len(sizes), np.int64)
    left = budget
    for done, group in enumerate(np.argsort(sizes, kind="stable")):
        taken[group] = min(int(sizes[group]), left // (len(sizes) - done))
        left -= int(taken[group])
    return taken


def top_up(sizes: npt.ArrayLike, kept: npt.ArrayLike, budget: int) -> Ints:
    """Share a budget over groups as evenly as `water_fill` where some members are in already.

    A group that has more than its share keeps what it has; the others share what that leaves.

    Args:
        sizes: Members of each group (n_groups,), those kept included.
        kept: Members that stay (n_groups,).
        budget: Rows to share, the sum of kept to the sum of sizes.

    Returns:
        Rows taken of each group (n_groups,), at least those kept, summing to the budget exactly.
    """
    sizes, taken = np.asarray(sizes, np.int64), np.array(kept, np.int64)
    free = np.arange(len(sizes))
    while True:
        share = water_fill(sizes[free], budget - int(np.delete(taken, free).sum()))
        over = taken[free] > share
        if not over.any():
            taken[free] = share
            return taken
        free = free[~over]


def steps_for(n_rows: int, epochs: float, batch_size: int) -> int:
    """Return the optimizer steps of this many epochs, at least one."""
    return max(1, round(epochs * math.ceil(n_rows / batch_size)))
