"""Statistics of a study: pure functions on arrays, each with its source.

Arms are compared over seeds they share, in pairs: differences between draws are larger than those
between arms. `lower_is_better` says how a metric counts; a difference is always arm minus other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import Float64s

INTERVAL_FROM, P_FROM, PERCENTILE_FROM = 3, 6, 19
"""Seeds from which an interval and a p value are shown; random draws from which a percentile is."""
POWER, ALPHA = 0.8, 0.05
MOST_SEEDS = 10_000


class Paired(NamedTuple):
    """The difference of two arms over the seeds they share."""

    n: int
    mean: float
    low: float
    """Of the 95% interval by Student's t; NaN below INTERVAL_FROM seeds, as are high and p."""
    high: float
    p: float
    """Two-sided, paired t test."""
    sign_flip_p: float
    """Two-sided, exact: over all changes of sign of the differences (Fisher's randomization)."""
    sd: float
    """Of the differences, over seeds."""


class NonInferior(NamedTuple):
    """Whether an arm is as good as another but for a margin; Welch's test, one-sided."""

    difference: float
    """How much worse the arm is; below 0 it is better."""
    upper: float
    """Of the one-sided 95% interval of the difference."""
    p: float
    margin: float
    passes: bool


class Share(NamedTuple):
    """Two shares of right answers on as many items, unpaired."""

    difference: float
    """In points: b - a."""
    noise: float
    """Half the 95% interval of the difference, in points."""
    p: float
    """Two-sided z test with the pooled share."""
    fisher_p: float


def paired_t(a: Sequence[float] | Float64s, b: Sequence[float] | Float64s) -> Paired:
    """Compare two arms seed by seed.

    Args:
        a: A value per seed (n,).
        b: The other arm's, in the same order of seeds (n,).
    """
    from scipy import stats

    d = np.asarray(a, float) - np.asarray(b, float)
    n = len(d)
    if n < INTERVAL_FROM:
        mean = float(d.mean()) if n else math.nan
        return Paired(n, mean, math.nan, math.nan, math.nan, math.nan, math.nan)
    mean, sd = float(d.mean()), float(d.std(ddof=1))
    half = float(stats.t.ppf(0.975, n - 1)) * sd / math.sqrt(n)
    p = float(2 * stats.t.sf(abs(mean) / (sd / math.sqrt(n)), n - 1)) if sd else float(mean == 0)
    return Paired(n, mean, mean - half, mean + half, p, sign_flip(d), sd)


def mean_interval(values: Sequence[float] | Float64s) -> tuple[float, float]:
    """Return the 95% interval of a mean over seeds (Student's t); NaN below INTERVAL_FROM."""
    test = paired_t(values, np.zeros(len(values)))
    return test.low, test.high


def sign_flip(differences: Float64s) -> float:
    """Return the share of sign changes whose mean is at least as far from 0; exact up to 20."""
    d = np.asarray(differences, float)
    if len(d) <= 20:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(d))))
    else:
        signs = np.random.default_rng(0).choice((1.0, -1.0), (100_000, len(d)))
    far = np.abs(signs @ d) >= abs(d.sum()) * (1 - 1e-12)
    return float(far.mean())


def welch(a: Sequence[float] | Float64s, b: Sequence[float] | Float64s) -> Paired:
    """Compare two arms whose seeds are not paired."""
    from scipy import stats

    test = stats.ttest_ind(a, b, equal_var=False)
    low, high = test.confidence_interval()
    mean = float(np.mean(a) - np.mean(b))
    return Paired(len(a), mean, float(low), float(high), float(test.pvalue), math.nan, math.nan)


def non_inferior(
    arm: Sequence[float] | Float64s,
    other: Sequence[float] | Float64s,
    margin: float,
    *,
    lower_is_better: bool,
) -> NonInferior:
    """Test that an arm is at most `margin` worse than another, which is fixed beforehand."""
    from scipy import stats

    worse = 1.0 if lower_is_better else -1.0
    x, y = worse * np.asarray(arm, float), worse * np.asarray(other, float)
    test = stats.ttest_ind(x, y + margin, equal_var=False, alternative="less")
    upper = float(test.confidence_interval(0.95).high) + margin
    p = float(test.pvalue)
    return NonInferior(float(x.mean() - y.mean()), upper, p, margin, p < ALPHA)


def p_of_draws(ours: float, draws: Sequence[float], *, lower_is_better: bool) -> float | None:
    """Return (1 + draws at least as good) / (draws + 1); None below PERCENTILE_FROM draws."""
    values = np.asarray(draws, float)
    if len(values) < PERCENTILE_FROM:
        return None
    as_good = values <= ours if lower_is_better else values >= ours
    return float((1 + as_good.sum()) / (len(values) + 1))


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p of items that only one of two arms has right."""
    from scipy import stats

    n = only_a + only_b
    return float(stats.binomtest(only_a, n, 0.5).pvalue) if n else 1.0


def accuracies(right_a: int, right_b: int, n: int) -> Share:
    """Compare two counts of right answers of n items each, as if the items were not the same."""
    from scipy import stats

    a, b = right_a / n, right_b / n
    pooled = (a + b) / 2
    error = math.sqrt(2 * pooled * (1 - pooled) / n)
    table = [[right_a, n - right_a], [right_b, n - right_b]]
    p = float(2 * stats.norm.sf(abs(b - a) / error)) if error else 1.0
    fisher = float(stats.fisher_exact(table)[1])
    return Share(100 * (b - a), 100 * 1.959964 * error, p, fisher)


def power_of(effect: float, sd: float, seeds: int) -> float:
    """Return the chance that a two-sided paired t test finds an effect (non-central t)."""
    from scipy import stats

    if seeds < 2 or not sd:
        return float(bool(effect) and not sd)
    away = effect / sd * math.sqrt(seeds)
    limit = stats.t.ppf(1 - ALPHA / 2, seeds - 1)
    beyond = stats.nct.sf(limit, seeds - 1, away) + stats.nct.cdf(-limit, seeds - 1, away)
    return float(beyond)


def seeds_for_effect(effect: float, sd: float) -> int | None:
    """Return the fewest seeds that find an effect with a chance of POWER; None above MOST_SEEDS."""
    low, high = 1, 2
    while power_of(effect, sd, high) < POWER:
        low, high = high, 2 * high
        if high > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(effect, sd, middle) >= POWER else (middle, high)
    return high


def smallest_effect(sd: float, seeds: int) -> float:
    """Return the effect that so many seeds find with a chance of POWER."""
    low, high = 0.0, sd
    while power_of(high, sd, seeds) < POWER:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if power_of(middle, sd, seeds) >= POWER else (middle, high)
    return high


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted for being several (Holm 1979), in the order given."""
    n, worst = len(p_values), 0.0
    out = [0.0] * n
    for rank, i in enumerate(sorted(range(n), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, (n - rank) * p_values[i]))
        out[i] = worst
    return out


def ranges_apart_by_chance(seeds: int) -> float:
    """Return how often the ranges of two equal arms do not overlap: 2 / C(2n, n)."""
    return 2 / math.comb(2 * seeds, seeds)


def bootstrap(differences: Float64s, *, draws: int = 10_000, seed: int = 0) -> Float64s:
    """Return the 95% intervals of mean differences, by drawing both seeds and items again.

    The hierarchical bootstrap (Davison and Hinkley 1997, 3.8): the items of all comparisons and
    seeds are drawn together, as they are the same questions.

    Args:
        differences: Arm minus other of each item (n_comparisons, n_seeds, n_items).

    Returns:
        Low and high (n_comparisons, 2).
    """
    k, s, n = differences.shape
    rng = np.random.default_rng(seed)
    flat = differences.reshape(k * s, n).T
    means = np.empty((draws, k))
    step = max(1, min(draws, 4_000_000 // n))
    for start in range(0, draws, step):
        size = min(step, draws - start)
        items = _counts(rng, size, n) @ flat / n
        seeds = _counts(rng, size, s) / s
        means[start : start + size] = np.einsum("dks,ds->dk", items.reshape(size, k, s), seeds)
    out: Float64s = np.quantile(means, [0.025, 0.975], axis=0).T
    return out


def _counts(rng: np.random.Generator, draws: int, n: int) -> Float64s:
    """Return how often each of n is drawn, in n draws with replacement (draws, n)."""
    at = rng.integers(0, n, (draws, n)) + np.arange(draws)[:, None] * n
    return np.bincount(at.ravel(), minlength=draws * n).reshape(draws, n).astype(float)
