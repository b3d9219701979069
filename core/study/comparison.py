"""Arms beside each other: what a study can say of s2l, how surely, and what would settle it.

The comparisons with random and random_per_source are set beforehand, for every study; their p
values are adjusted for being two (Holm). All others are exploratory.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.finetune.metrics import METRICS, Metric
from core.study import results
from core.study.results import INTERVAL_FROM, P_FROM, PERCENTILE_FROM, Paired

OURS, FULL = "s2l", "full"
REGISTERED = ("random", "random_per_source")
"""What s2l is compared with by plan."""
TITLES = {"s2l": "S2L", "full": "all the data", "random": "random"}
TITLES["random_per_source"] = "random over the sources"


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


def compare(table: pd.DataFrame, metric: str, arm: str, other: str) -> Comparison | None:
    """Compare two arms of a study, pairing their seeds; None where they share none.

    Args:
        table: A line a run: arm, seed, and the metric.
        metric: A key of METRICS.
        arm: Whose difference is taken.
        other: From which.
    """
    both = table[table["arm"].isin([arm, other])]
    values = both.pivot_table(index="seed", columns="arm", values=metric, dropna=False)
    ran = both.pivot_table(index="seed", columns="arm", values="rows", aggfunc="size")
    if not {arm, other} <= set(ran.columns):
        return None
    shared = ran[[arm, other]].dropna().index
    if not len(shared):
        return None
    pairs = METRICS[metric].scale * values.reindex(index=shared, columns=[arm, other]).to_numpy(
        float
    )
    failed = tuple(
        f"{name} seed {seed}"
        for row, seed in zip(pairs, shared, strict=True)
        for name, value in zip((arm, other), row, strict=True)
        if not math.isfinite(value)
    )
    test = results.paired_t(*pairs.T)
    return Comparison(arm, other, test, test.p if test.n >= P_FROM else math.nan, failed)


def registered(table: pd.DataFrame, metric: str) -> list[Comparison]:
    """Return the comparisons set beforehand that this study has."""
    found = [c for other in REGISTERED if (c := compare(table, metric, OURS, other))]
    known = [c for c in found if math.isfinite(c.p)]
    adjusted = dict(zip((c.other for c in known), results.holm([c.p for c in known]), strict=True))
    return [c._replace(p=adjusted.get(c.other, c.p)) for c in found]


def sentence(found: Comparison, metric: Metric) -> str:
    """Say in plain words how two arms did, how surely, and what would settle it."""
    ours, other = title(found.arm), title(found.other)
    test = found.test
    if found.failed:
        return (
            f"Nothing can be said of {ours} and {other}: {', '.join(found.failed)} gave no number, "
            "which counts as worst."
        )
    size = f"{_number(test.mean, metric, sign=True)} {metric.short}"
    if test.n < INTERVAL_FROM:
        draws = "one draw each" if test.n == 1 else "two draws each"
        how = "better" if (test.mean < 0) == metric.lower_is_better else "worse"
        by = (
            f"{_number(abs(test.mean), metric)} {metric.short} {how} than"
            if test.mean
            else "level with"
        )
        return f"{ours} is {by} {other} on {draws}: a walk-through, not evidence."
    p = f", p = {found.p:.2g} adjusted for two comparisons" if math.isfinite(found.p) else ""
    if test.low > 0 or test.high < 0:
        better = (test.mean < 0) == metric.lower_is_better
        near, far = sorted(map(abs, (test.low, test.high)))
        return (
            f"{ours} is {'better' if better else 'worse'} than {other} by "
            f"{_number(abs(test.mean), metric)} {metric.short} (95% interval "
            f"{_number(near, metric)} to {_number(far, metric)}, {test.n} seeds{p})."
        )
    between = (
        f"95% interval {_number(test.low, metric, sign=True)} to "
        f"{_number(test.high, metric, sign=True)}, {test.n} seeds"
    )
    said = f"{ours} is not distinguishable from {other}: difference {size}, {between}{p}"
    return f"{said}; {_settled_by(test, metric)}." if test.sd else f"{said}."


def _settled_by(test: Paired, metric: Metric) -> str:
    """Say what so many seeds could have shown, and how many would show the margin."""
    could = results.smallest_effect(test.sd, test.n)
    shown = f"{test.n} seeds could have shown {_number(could, metric)} {metric.short}"
    needed = results.seeds_for_effect(metric.margin, test.sd)
    if needed is None or needed <= test.n:
        return shown
    return f"{shown}, {needed:,} would show {metric.margin:g}"


def verdict(table: pd.DataFrame, metric: str) -> str:
    """Say how s2l did against random, or the first registered arm there is; empty without."""
    found = registered(table, metric)
    return sentence(found[0], METRICS[metric]) if found else ""


def as_good(table: pd.DataFrame, metric: str, arm: str, margin: float) -> str:
    """Say whether an arm is as good as all the data but for a margin; empty below 3 seeds each.

    Args:
        table: As `compare` has it.
        metric: A key of METRICS.
        arm: What is held against `full`.
        margin: In the metric's short unit, sealed with the study before it ran.
    """
    row = METRICS[metric]
    ours, full = (
        table.loc[table["arm"] == name, metric].to_numpy(float) * row.scale for name in (arm, FULL)
    )
    if min(len(ours), len(full)) < INTERVAL_FROM or not np.isfinite([*ours, *full]).all():
        return ""
    if not (ours.std() or full.std()):
        return ""
    test = results.non_inferior(ours, full, margin, lower_is_better=row.lower_is_better)
    said = "is as good as" if test.passes else "is not shown to be as good as"
    return (
        f"{title(arm)} {said} {title(FULL)} within {margin:g} {row.short}: at most "
        f"{_number(test.upper, row, sign=True)} {row.short} worse (one-sided 95%, "
        f"p = {test.p:.2g}; {len(ours)} and {len(full)} seeds)."
    )


def place_among_random(table: pd.DataFrame, metric: str) -> str:
    """Say where s2l's runs stand among the random draws; empty without both."""
    row = METRICS[metric]
    ours = table.loc[table["arm"] == OURS, metric].dropna()
    draws = table.loc[table["arm"] == "random", metric].dropna()
    if not len(ours) or not len(draws):
        return ""
    p = results.p_of_draws(float(ours.iloc[0]), draws.tolist(), lower_is_better=row.lower_is_better)
    if p is not None:
        as_good = round(p * (len(draws) + 1)) - 1
        return (
            f"Of {len(draws)} random draws {as_good} are at least as good as S2L's first run "
            f"(p = {p:.2g})."
        )
    low, high = (row.form.format(x) for x in (draws.min(), draws.max()))
    missing = PERCENTILE_FROM - len(draws)
    noun = "draw gives" if len(draws) == 1 else "draws give"
    span = low if low == high else f"{low} to {high}"
    return (
        f"{len(draws)} random {noun} {span}; {missing} more would give S2L a place among them, "
        "which a range is not."
    )


def title(arm: str) -> str:
    """Return an arm as a sentence has it."""
    return TITLES.get(arm, arm)


def _number(value: float, metric: Metric, *, sign: bool = False) -> str:
    """Write a difference with two significant digits more than its size needs to be told from 0."""
    digits = 1 if metric.short == "points" else 3
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
