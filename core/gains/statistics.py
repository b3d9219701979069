"""Which rows are scored, and what their losses say of the groups they were drawn from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import Ints

LEAST = 8
"""Rows taken of every group before the rest is shared out in proportion; all of a smaller one."""


def draw(groups: Any, n: int, seed: int) -> tuple[Ints, Any]:
    """Draw rows, some of every group.

    Args:
        groups: The group of each row, any hashable (n_rows,).
        n: Rows wanted; fewer than LEAST a group where there are too many groups.

    Returns:
        Places of the drawn rows, ascending, and how many rows of its group each stands for.
    """
    names, member, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    n = min(n, len(member))
    first = np.minimum(sizes, max(1, min(LEAST, n // len(names))))
    left = max(0, n - int(first.sum()))
    room = sizes - first
    share = room * (left / max(1, room.sum()))
    taken = first + np.floor(share).astype(int)
    by_rest = np.argsort(-(share - np.floor(share)), kind="stable")
    taken[by_rest[: max(0, n - int(taken.sum()))]] += 1
    taken = np.minimum(taken, sizes)
    order = np.random.default_rng(seed).permutation(len(member))
    rank = np.empty(len(member), int)
    for group in range(len(names)):
        mine = order[member[order] == group]
        rank[mine] = np.arange(len(mine))
    chosen = np.flatnonzero(rank < taken[member])
    return chosen, (sizes / np.maximum(taken, 1))[member[chosen]]


def by_group(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Describe the change of loss in each group of scored rows.

    Args:
        rows: As `load` gives them.
        column: cluster or source.

    Returns:
        A line a group: rows (scored), trained (of them trained on), before, after, change (nats
        per response token, below 0 is better), low and high (95% interval of the mean change over
        the scored rows, from Student's t; NaN for one row), improved (share of rows whose loss
        fell), unseen (rows not trained on) and unseen_change over those (NaN for none).
    """
    from scipy import stats

    out = []
    for group, part in rows.groupby(column, sort=True):
        change = (part["after"] - part["before"]).to_numpy(float)
        n, mean = len(part), float(change.mean())
        half = math.nan
        if n > 1:
            half = float(stats.t.ppf(0.975, n - 1) * change.std(ddof=1) / math.sqrt(n))
        unseen = change[~part["trained"].to_numpy(bool)]
        out.append(
            {
                column: group,
                "rows": n,
                "trained": int(part["trained"].sum()),
                "before": float(part["before"].mean()),
                "after": float(part["after"].mean()),
                "change": mean,
                "low": mean - half,
                "high": mean + half,
                "improved": float((change < 0).mean()),
                "unseen": len(unseen),
                "unseen_change": float(unseen.mean()) if len(unseen) else math.nan,
            }
        )
    return pd.DataFrame(out)


def mean_of(rows: pd.DataFrame, column: str) -> float | None:
    """Return the mean over the pool that the scored rows stand for; None without a row."""
    if rows.empty:
        return None
    return round(float(np.average(rows[column], weights=rows["weight"])), 6)
