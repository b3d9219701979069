"""Quotas: how groups share a budget, evenly, by size, or as set by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.arrays import Ints
from core.errors import InputError

Allocation = Literal["equal", "proportional", "sqrt", "capped"]


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


def quotas(
    sizes: npt.ArrayLike,
    budget: int,
    already_selected: npt.ArrayLike | None = None,
    fixed: Mapping[int, int] | None = None,
    caps: Mapping[int, int] | None = None,
    allocation: Allocation = "equal",
    *,
    cap: float = 0.5,
    upper_bounds: npt.ArrayLike | None = None,
) -> Ints:
    """Share a budget over groups, some of which are set or capped by hand.

    What is set stands; the rest is shared among the others: evenly as their sizes allow (`equal`,
    `water_fill`), by their sizes (`proportional`), by the square roots of these (`sqrt`), or evenly
    but at most `cap` times the size (`capped`). By sizes and by roots, the fractions are rounded by
    Webster's divisor method (Balinski & Young 1982), under which no group loses by a larger budget.

    Args:
        sizes: Members of each group (n_groups,), those that are in already included.
        budget: Rows to share, the sum of already_selected to the sum of sizes.
        already_selected: Members that are in (n_groups,), kept whatever the group's share; none
            where left out.
        fixed: Group -> its rows, set by hand.
        caps: Group -> its most rows, set by hand.
        allocation: How the rest is shared.
        cap: Rows taken of a row, of `capped`.
        upper_bounds: Of each group (n_groups,), from filters and guards; quotas set by hand
            override them.

    Returns:
        Rows taken of each group (n_groups,), summing to the budget exactly.

    Raises:
        InputError: what is set by hand cannot be met, or leaves no room for the budget.
    """
    sizes = np.asarray(sizes, np.int64)
    low = np.zeros_like(sizes) if already_selected is None else np.array(already_selected, np.int64)
    high = sizes if upper_bounds is None else np.minimum(sizes, np.asarray(upper_bounds, np.int64))
    if allocation == "capped":
        high = np.minimum(high, np.floor(cap * sizes + 1e-9).astype(np.int64))
    high = np.maximum(high, low)
    fixed, caps = fixed or {}, caps or {}
    for group, rows in [*fixed.items(), *caps.items()]:
        _check_by_hand(group, rows, sizes, low, set_=group in fixed)
    for group, rows in caps.items():
        high[group] = min(high[group], rows)
    free = np.ones(len(sizes), bool)
    for group, rows in fixed.items():
        low[group] = high[group] = rows
        free[group] = False
    if (by_hand := int(low[~free].sum())) > budget:
        raise InputError(
            f"the quotas set by hand are {by_hand:,} rows, more than the budget of {budget:,}; "
            "raise it or lower them"
        )
    if (least := int(low.sum())) > budget:
        raise InputError(
            f"the quotas set by hand and the rows that stay in the other clusters are {least:,}, "
            f"more than the budget of {budget:,}; raise it or lower the quotas"
        )
    if (room := int(high.sum())) < budget:
        raise InputError(
            f"the quotas and caps leave room for {room:,} rows, less than the budget of {budget:,};"
            " raise them or lower the budget"
        )
    taken, rest = low.copy(), budget - int(low[~free].sum())
    if allocation in ("equal", "capped"):
        taken[free] = top_up(high[free], low[free], rest)
    else:
        weights = np.sqrt(sizes) if allocation == "sqrt" else sizes.astype(np.float64)
        taken[free] = _webster(weights[free], low[free], high[free], rest)
    return taken


def _check_by_hand(group: int, rows: int, sizes: Ints, low: Ints, *, set_: bool) -> None:
    """Raise InputError where one quota set by hand cannot be met."""
    if not 0 <= group < len(sizes):
        raise InputError(f"there is no cluster {group}; they are 0 to {len(sizes) - 1}")
    word = "set to" if set_ else "capped at"
    if set_ and rows > sizes[group]:
        raise InputError(
            f"cluster {group} is set to {rows:,} rows but has {sizes[group]:,}; lower its quota"
        )
    if rows < low[group]:
        raise InputError(
            f"cluster {group} is {word} {rows:,} rows but {low[group]:,} of it stay whatever the "
            "strategy draws; raise its quota or unpin some"
        )


def _webster(weights: npt.NDArray[np.float64], low: Ints, high: Ints, budget: int) -> Ints:
    """Round shares by weight to whole rows between bounds, summing to the budget.

    As if row after row went to the group of the largest weight / (rows + 1/2), the first of equals;
    found by bisecting that quotient, the last rows one at a time.
    """
    weights = np.maximum(weights, 1e-12)

    def shares(level: float) -> Ints:
        return np.clip(np.floor(level * weights + 0.5), low, high).astype(np.int64)

    below, above = 0.0, (float(high.max(initial=0)) + 1) / float(weights.min(initial=1.0))
    for _ in range(100):
        middle = (below + above) / 2
        if shares(middle).sum() <= budget:
            below = middle
        else:
            above = middle
    taken = shares(below * (1 - 1e-9))  # equals at the level itself go in order, not by rounding
    for _ in range(budget - int(taken.sum())):
        open_ = taken < high
        taken[np.argmax(np.where(open_, weights / (taken + 0.5), -1))] += 1
    return taken
