"""Pairs of arms: their difference over the seeds they share, with its uncertainty.

The comparisons of s2l with random and random_per_source are set beforehand, for every study; their
p values are adjusted for being two (Holm). All others are exploratory.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.arrays import Float64s
from core.finetune.metrics import METRICS
from core.study import results
from core.study.results import P_FROM, Paired

OURS, FULL = "s2l", "full"
REGISTERED = ("random", "random_per_source")
"""What s2l is compared with by plan."""


class Comparison(NamedTuple):
    """Two arms over the seeds they share, in the metric's short unit (nats, points)."""

    arm: str
    other: str
    test: Paired
    """Of arm minus other."""
    p: float
    """Adjusted where the comparison is one of the registered; NaN below P_FROM seeds."""
    failed: tuple[str, ...]
    """Runs without a number: they count as worst."""
    seconds: float = math.nan
    """That one more seed of both arms takes, as the runs so far did; NaN where not known."""
    noise: float = 0.0
    """How far apart two evaluations of one model are, in short units: below it arms are tied."""

    @property
    def tied(self) -> bool:
        """Whether the arms differ by no more than two evaluations of one model do."""
        return abs(self.test.mean) <= self.noise


def compare(
    table: pd.DataFrame, metric: str, arm: str, other: str, noise: float = 0.0
) -> Comparison | None:
    """Compare two arms of a study, pairing their seeds; None where they share none.

    Args:
        table: A line a run: arm, seed, rows, and the metric; seconds where they are known.
        metric: A key of METRICS.
        arm: Whose difference is taken.
        other: From which.
        noise: Of the evaluation, in the metric's own unit.
    """
    both = table[table["arm"].isin([arm, other])]
    values = both.pivot_table(index="seed", columns="arm", values=metric, dropna=False)
    ran = both.pivot_table(index="seed", columns="arm", values="rows", aggfunc="size")
    if not {arm, other} <= set(ran.columns):
        return None
    shared = ran[[arm, other]].dropna().index
    if not len(shared):
        return None
    scale = METRICS[metric].scale
    shared_values = values.reindex(index=shared, columns=[arm, other])
    pairs = scale * shared_values.to_numpy(float)
    failed = tuple(
        f"{name} seed {seed}"
        for row, seed in zip(pairs, shared, strict=True)
        for name, value in zip((arm, other), row, strict=True)
        if not math.isfinite(value)
    )
    test = results.paired_t(*pairs.T)
    seconds = both.groupby("arm")["seconds"].median().sum() if "seconds" in both else math.nan
    p = test.p if test.n >= P_FROM else math.nan
    return Comparison(arm, other, test, p, failed, float(seconds), scale * noise)


def registered(table: pd.DataFrame, metric: str, noise: float = 0.0) -> list[Comparison]:
    """Return the comparisons set beforehand that this study has."""
    comparisons = [c for other in REGISTERED if (c := compare(table, metric, OURS, other, noise))]
    known = [c for c in comparisons if math.isfinite(c.p)]
    adjusted = dict(zip((c.other for c in known), results.holm([c.p for c in known]), strict=True))
    return [c._replace(p=adjusted.get(c.other, c.p)) for c in comparisons]


def values_of(table: pd.DataFrame, metric: str, arm: str) -> Float64s:
    """Return an arm's values by seed in the metric's short unit; a run that failed is the worst."""
    row = METRICS[metric]
    lines = table[table["arm"] == arm].sort_values("seed")
    values: Float64s = lines[metric].to_numpy(float) * row.scale
    return np.where(np.isfinite(values), values, math.inf if row.lower_is_better else -math.inf)


def exploratory(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Compare every two arms that no plan names; their p values are not adjusted.

    Returns:
        A line a pair: arm, other, how (paired by seed where three are shared, else Welch's test),
        seeds, difference, low, high, p (None below P_FROM seeds).
    """
    arms = list(dict.fromkeys(table["arm"]))
    planned = {frozenset((OURS, other)) for other in REGISTERED}
    lines = []
    for arm, other in itertools.combinations(arms, 2):
        if frozenset((arm, other)) in planned:
            continue
        comparison = compare(table, metric, arm, other)
        a, b = values_of(table, metric, arm), values_of(table, metric, other)
        a, b = a[np.isfinite(a)], b[np.isfinite(b)]
        test, how = (comparison.test, "paired by seed") if comparison else (None, "")
        apart = test is None or test.n < results.INTERVAL_FROM
        if apart and min(len(a), len(b)) >= results.INTERVAL_FROM and (a.std() or b.std()):
            test, how = results.welch(a, b), "Welch, not paired"
        if test is None or not math.isfinite(test.mean):
            continue
        known = test.n >= P_FROM and math.isfinite(test.p)
        line = {"arm": arm, "other": other, "how": how, "seeds": test.n, "difference": test.mean}
        lines.append(line | {"low": test.low, "high": test.high, "p": test.p if known else None})
    return pd.DataFrame(lines)


def failed_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Return the lines of runs that gave no number, with why: arm, seed, failed."""
    if "failed" not in table:
        return pd.DataFrame(columns=["arm", "seed", "failed"])
    return table.loc[table["failed"].fillna("") != "", ["arm", "seed", "failed"]]
