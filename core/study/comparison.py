"""Arms beside each other, in sentences: how s2l did, how surely, and what would settle it.

The numbers are those of `core.study.pairs`.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from core.finetune.metrics import METRICS, Metric
from core.study import results
from core.study.pairs import FULL, OURS, Comparison, registered, values_of
from core.study.results import INTERVAL_FROM, PERCENTILE_FROM, Paired

TITLES = {"s2l": "S2L", "full": "all the data", "random": "random"}
TITLES["random_per_source"] = "random over the sources"
DRAWS = {"random": "a random draw of the same size"}
DRAWS["random_per_source"] = "a random draw over the sources, of the same size"
WORST = "which counts as worst"


def sentence(comparison: Comparison, metric: Metric) -> str:
    """Say in plain words how two arms did, how surely, and what would settle it."""
    ours, other = title(comparison.arm), title(comparison.other)
    test = comparison.test
    if comparison.failed:
        return (
            f"Nothing can be said of {ours} and {other}: {', '.join(comparison.failed)} gave no "
            f"number, {WORST}."
        )
    size = f"{number(test.mean, metric, sign=True)} {metric.short}"
    if test.n < INTERVAL_FROM:
        draws = "one draw each" if test.n == 1 else "two draws each"
        how = "better" if (test.mean < 0) == metric.lower_is_better else "worse"
        by = (
            f"{number(abs(test.mean), metric)} {metric.short} {how} than"
            if not comparison.tied
            else "level with"
        )
        return f"{ours} is {by} {other} on {draws}: a walk-through, not evidence."
    if comparison.tied and test.mean:
        return (
            f"{ours} and {other} are tied: they differ by {number(abs(test.mean), metric)} "
            f"{metric.short} over {test.n} seeds, and two evaluations of one model by "
            f"{number(comparison.noise, metric)}."
        )
    if not test.mean and not test.sd:
        return (
            f"{ours} and {other} score the same in each of {test.n} seeds: no interval can be made "
            "of that."
        )
    if not test.sd:
        how = "better" if (test.mean < 0) == metric.lower_is_better else "worse"
        return (
            f"{ours} is {number(abs(test.mean), metric)} {metric.short} {how} than {other} in each "
            f"of {test.n} seeds, the same every time: no interval can be made of that."
        )
    p = (
        f", p = {comparison.p:.2g} adjusted for two comparisons"
        if math.isfinite(comparison.p)
        else ""
    )
    if test.low > 0 or test.high < 0:
        better = (test.mean < 0) == metric.lower_is_better
        near, far = sorted(map(abs, (test.low, test.high)))
        return (
            f"{ours} is {'better' if better else 'worse'} than {other} by "
            f"{number(abs(test.mean), metric)} {metric.short} (95% interval "
            f"{number(near, metric)} to {number(far, metric)}, {test.n} seeds{p})."
        )
    between = (
        f"95% interval {number(test.low, metric, sign=True)} to "
        f"{number(test.high, metric, sign=True)}, {test.n} seeds"
    )
    said = f"{ours} is not distinguishable from {other}: difference {size}, {between}{p}"
    return f"{said}; {_settled_by(comparison, metric)}."


def in_short(comparison: Comparison, metric: Metric) -> str:
    """Say in one plain sentence, for people who know no intervals, what the comparison shows."""
    test = comparison.test
    other = DRAWS.get(comparison.other, title(comparison.other))
    if comparison.failed:
        return f"Nothing can be said: a training of the selection or of {other} failed."
    if test.n < INTERVAL_FROM:
        trainings = "One training" if test.n == 1 else "Two trainings"
        return f"{trainings} each cannot tell the selection from {other}."
    if comparison.tied or not test.sd or test.low <= 0 <= test.high:
        return f"The selection was not shown to be better or worse than {other}."
    how = "better" if (test.mean < 0) == metric.lower_is_better else "worse"
    return f"The selection did {how} than {other}."


def _settled_by(comparison: Comparison, metric: Metric) -> str:
    """Say what so many seeds could have shown, and how many, in how long, would show the margin."""
    test: Paired = comparison.test
    could = results.smallest_effect(test.sd, test.n)
    shown = f"{test.n} seeds could have shown {number(could, metric)} {metric.short}"
    needed = results.seeds_for_effect(metric.margin, test.sd)
    if needed is None or needed <= test.n:
        return shown
    long = about((needed - test.n) * comparison.seconds)
    taking = f" ({long} more for these two)" if long else ""
    return f"{shown}, {needed:,} would show {metric.margin:g}{taking}"


def about(seconds: float) -> str:
    """Write how long something will take, roughly; empty where it is not known."""
    if not math.isfinite(seconds) or seconds <= 0:
        return ""
    if seconds < 90:
        return f"about {max(10, round(seconds, -1)):.0f} s"
    if seconds < 5400:
        return f"about {round(seconds / 60):.0f} min"
    return f"about {round(seconds / 3600):,.0f} h"


def verdict(table: pd.DataFrame, metric: str, noise: float = 0.0) -> str:
    """Say how s2l did against random, or the first registered arm there is; empty without."""
    planned = registered(table, metric, noise)
    return sentence(planned[0], METRICS[metric]) if planned else ""


def as_good(table: pd.DataFrame, metric: str, arm: str, margin: float) -> str:
    """Say whether an arm is as good as all the data but for a margin; empty below 3 seeds each.

    Args:
        table: As `core.study.pairs.compare` has it.
        metric: A key of METRICS.
        arm: What is held against `full`.
        margin: In the metric's short unit, sealed with the study before it ran.
    """
    row = METRICS[metric]
    ours, full = (values_of(table, metric, name) for name in (arm, FULL))
    if min(len(ours), len(full)) < INTERVAL_FROM:
        return ""
    bad = [
        f"{name} seed {seed}"
        for name, values in ((arm, ours), (FULL, full))
        for seed, value in zip(sorted(table.loc[table["arm"] == name, "seed"]), values, strict=True)
        if not math.isfinite(value)
    ]
    if bad:
        return (
            f"{_first(title(arm))} is not shown to be as good as {title(FULL)}: {', '.join(bad)} "
            f"gave no number, {WORST}."
        )
    if not (ours.std() or full.std()):
        return ""
    test = results.non_inferior(ours, full, margin, lower_is_better=row.lower_is_better)
    said = "is as good as" if test.passes else "is not shown to be as good as"
    size = f"{number(abs(test.upper), row)} {row.short}"
    worst = f"at most {size} worse" if test.upper >= 0 else f"at least {size} better"
    return (
        f"{_first(title(arm))} {said} {title(FULL)} within {margin:g} {row.short}: {worst} "
        f"(one-sided 95%, p = {test.p:.2g}; {len(ours)} and {len(full)} seeds)."
    )


def missing_draws(table: pd.DataFrame) -> int:
    """Return how many more random draws a percentile needs."""
    return max(0, PERCENTILE_FROM - int((table["arm"] == "random").sum()))


def place_among_random(table: pd.DataFrame, metric: str) -> str:
    """Say where s2l's first run stands among the random draws; empty without both.

    A run without a number counts as worst, on either side.
    """
    row = METRICS[metric]
    ours, draws = values_of(table, metric, OURS), values_of(table, metric, "random")
    if not len(ours) or not len(draws):
        return ""
    p = results.p_of_draws(float(ours[0]), draws.tolist(), lower_is_better=row.lower_is_better)
    if p is not None:
        as_good = round(p * (len(draws) + 1)) - 1
        return (
            f"Of {len(draws)} random draws {as_good} are at least as good as S2L's first run "
            f"(p = {p:.2g})."
        )
    measured = draws[np.isfinite(draws)] / row.scale
    if not len(measured):
        return ""
    low, high = (row.form.format(x) for x in (measured.min(), measured.max()))
    missing = PERCENTILE_FROM - len(draws)
    noun = "draw gave" if len(measured) == 1 else "draws gave"
    span = low if low == high else f"{low} to {high}"
    gone = len(draws) - len(measured)
    failed = f" ({gone} failed, {WORST})" if gone else ""
    long = about(missing * _seconds(table, "random"))
    return (
        f"{len(measured)} random {noun} {span}{failed}. {missing} more{long and f' ({long})'} "
        "would show how many random draws are as good as S2L."
    )


def _seconds(table: pd.DataFrame, arm: str) -> float:
    """Return the median seconds of an arm's runs; NaN where not known."""
    if "seconds" not in table:
        return math.nan
    return float(table.loc[table["arm"] == arm, "seconds"].median())


def by_chance(table: pd.DataFrame, metric: str, arm: str, other: str) -> str:
    """Say how far apart shares of right answers on so many items are by chance; empty for a loss.

    Of the first seed that both have: items are not paired here, as older studies did not keep them.
    """
    row = METRICS[metric]
    if metric != "exact_match" or not {"right", "decoded"} <= set(table):
        return ""
    two = [table[table["arm"] == name].set_index("seed") for name in (arm, other)]
    shared = [s for s in two[0].index if s in two[1].index]
    lines = [part.loc[shared[0]] for part in two] if shared else []
    if not lines or not all(math.isfinite(line[metric]) and line["decoded"] for line in lines):
        return ""
    n = {int(line["decoded"]) for line in lines}
    if len(n) > 1:
        return ""
    interval = results.accuracies(int(lines[1]["right"]), int(lines[0]["right"]), n.pop())
    return (
        f"{title(arm)} has {lines[0]['right']:,.0f} and {title(other)} {lines[1]['right']:,.0f} of "
        f"{lines[0]['decoded']:,.0f} items right (seed {shared[0]}): {interval.difference:+.1f} "
        f"{row.short}, and two shares of so many items differ by up to {interval.noise:.1f} by "
        "chance."
    )


def ranges(table: pd.DataFrame, metric: str, arm: str, other: str) -> str:
    """Say why two ranges that do not overlap are no verdict; empty where they do."""
    a, b = values_of(table, metric, arm), values_of(table, metric, other)
    n = min(len(a), len(b))
    if n < 2 or not (a.max() < b.min() or b.max() < a.min()):
        return ""
    return (
        f"The ranges of {title(arm)} and {title(other)} do not overlap, which is no verdict: with "
        f"{n} seeds it happens in {results.ranges_apart_by_chance(n):.2g} of the studies of two "
        "equal arms."
    )


def title(arm: str) -> str:
    """Return an arm as a sentence has it."""
    return TITLES.get(arm, arm)


def _first(text: str) -> str:
    """Begin a sentence with a large letter."""
    return text[:1].upper() + text[1:]


def number(value: float, metric: Metric, *, sign: bool = False) -> str:
    """Write a difference with two significant digits more than its size needs to be told from 0."""
    digits = 1 if metric.short == "points" else 3
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
