"""How much of a clustering do plain facts explain: length, source, final loss, all together?

The mean loss of a short answer is noisy and dominated by its end token, and k-means cuts a
continuum, so a cluster may be nothing but a length or a level. This says how far it is.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.arrays import Ints, Labels

SAMPLE = 50_000
"""Rows looked at, at most."""
BINS = 100
"""Quantile bins of a number, at most."""
ROWS_PER_BIN = 50
CATEGORIES = 1000
"""Categories of a fact, at most; the rarer ones count as one."""
ROWS_PER_CELL = 10
"""Of all facts together, on average."""
SHUFFLES = 5
TOGETHER = "all together"


def explained(labels: Labels, facts: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Say how much of the clustering each fact explains, alone and all together.

    The uncertainty coefficient U = I(label; X) / H(label) (Theil 1972) is the share of the entropy
    of the labels that is gone once X is known. Cells with few rows raise it by chance, so what a
    shuffled X gives, U0, is taken off: (U - U0) / (1 - U0), the form of an index adjusted for
    chance (Vinh et al. 2010), at least 0; it is 0 for an unrelated X and 1 for one that determines
    the cluster. Numbers are cut into quantile bins, fewer of them for all facts together, so that a
    cell has ten rows on average. What all explain together is therefore a lower estimate where rows
    are few; it is never less than the best fact alone explains.

    Args:
        labels: Cluster of every row (n_rows,); -1 is left out.
        facts: One column a fact, numbers or categories (n_rows).
        seed: Draws the sample above 50,000 rows, and the shuffles.

    Returns:
        what (the column's name, last "all together" where there are several), share (0 to 1; 0
        where there is one cluster, which leaves nothing to explain), rows (looked at).
    """
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(labels >= 0)
    if len(rows) > SAMPLE:
        rows = np.sort(rng.choice(rows, SAMPLE, replace=False))
    groups = np.unique(labels[rows], return_inverse=True)[1]
    sampled = facts.iloc[rows]
    shuffles = [rng.permutation(len(rows)) for _ in range(SHUFFLES)]
    fine = min(BINS, max(2, len(rows) // ROWS_PER_BIN))
    shares = {
        str(name): _share(groups, _codes(column, fine, CATEGORIES), shuffles)
        for name, column in sampled.items()
    }
    if len(shares) > 1:
        shares[TOGETHER] = max(*shares.values(), _share(groups, _cells(sampled), shuffles))
    return pd.DataFrame({"what": list(shares), "share": list(shares.values()), "rows": len(rows)})


def explained_one(
    labels: Labels, cluster: int, facts: pd.DataFrame, *, seed: int = 0
) -> pd.DataFrame:
    """Say how much of one cluster against the rest each fact explains, as `explained` does."""
    against = np.where(labels < 0, -1, labels == cluster).astype(np.int32)
    return explained(against, facts, seed=seed)


def _numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _codes(column: pd.Series, bins: int, categories: int) -> Ints:
    """Number the bins of numbers, or the categories by how common they are (n_rows,)."""
    if _numeric(column):
        values = column.to_numpy(np.float64)
        known = values[np.isfinite(values)]
        edges = np.quantile(known, np.arange(1, bins) / bins) if len(known) else known
        codes = np.searchsorted(np.unique(edges), values, side="right")
        return np.where(np.isfinite(values), codes, bins)  # what has no value is one bin more
    names, codes = np.unique(column.astype(str).to_numpy(object), return_inverse=True)
    rank = np.empty(len(names), np.int64)
    rank[np.argsort(-np.bincount(codes, minlength=len(names)), kind="stable")] = range(len(names))
    out: Ints = np.minimum(rank, categories - 1)[codes]
    return out


def _cells(facts: pd.DataFrame) -> Ints:
    """Number the combinations of all facts that occur, with as many bins as the rows allow."""
    room = len(facts) // ROWS_PER_CELL
    numbers = [column for _, column in facts.items() if _numeric(column)]
    names = [column for _, column in facts.items() if not _numeric(column)]
    least = 2 ** len(numbers)  # cells of the numbers, two bins each
    cells = np.zeros(len(facts), np.int64)
    for column in names:
        cells = _combine(cells, _codes(column, 0, max(2, room // least)))
    share = max(1.0, room / (cells.max(initial=0) + 1))
    bins = min(BINS, max(2, int(share ** (1 / max(1, len(numbers))))))
    for column in numbers:
        cells = _combine(cells, _codes(column, bins, 0))
    return cells


def _combine(a: Ints, b: Ints) -> Ints:
    """Number the pairs that occur (n_rows,)."""
    return np.unique(a * (b.max(initial=0) + 1) + b, return_inverse=True)[1]


def _share(groups: Ints, codes: Ints, shuffles: list[Ints]) -> float:
    from sklearn.metrics import mutual_info_score

    whole = float(mutual_info_score(groups, groups))  # the entropy of the labels, nats
    if whole <= 0:
        return 0.0
    chance = float(np.mean([mutual_info_score(groups, codes[s]) for s in shuffles])) / whole
    if chance > 1 - 1e-9:  # every cell holds one row: any X would explain all
        return 0.0
    return max(0.0, float(mutual_info_score(groups, codes) / whole - chance) / (1 - chance))
