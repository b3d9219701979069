"""Do two models find the same examples hard? Rank correlation of losses, agreement of clusters.

Pure functions of two loss matrices over the same rows. Only ranks and partitions are compared, so
the models may have different tokenizers, whose losses do not compare by value.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.arrays import Float64s, Ints, Labels, Losses
from core.clusters.kmeans import cluster

Columns = npt.NDArray[np.floating] | npt.NDArray[np.int64]
DRAWS = 1000
"""Samples of the rows that an interval is read from."""
LEVEL = (2.5, 97.5)
"""Percentiles that bound a 95% interval."""
STARTS = 5
"""k-means seeds a side."""
SHUFFLES = 100


class Interval(NamedTuple):
    """An estimate and its 95% interval over rows."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


class Clusterings(NamedTuple):
    """How far two clusterings agree, by the adjusted Rand index (Hubert & Arabie 1985).

    1 is the same partition, 0 what chance gives.
    """

    ari: Interval
    """Mean over pairs of k-means seeds; the interval is over rows and seeds, from random halves of
    the rows: a row drawn twice would agree with itself."""
    proxy_ceiling: float
    """The same between seeds of the proxy's own k-means: agreement with itself."""
    target_ceiling: float
    """The same of the target's."""
    chance: float
    """The largest over shuffled labels (97.5th percentile): what is below it is no agreement."""


def match(proxy_steps: Ints, target_steps: Ints) -> Ints:
    """Pair each recording of the target with the proxy's nearest in share of the training.

    Before training is compared with before training only.

    Returns:
        Columns of the proxy and of the target (n_pairs, 2); the last of both is the last pair.
    """
    share = proxy_steps / proxy_steps[-1]
    nearest = [int(np.abs(share - t).argmin()) for t in target_steps / target_steps[-1]]
    return np.array(
        [(p, t) for t, p in enumerate(nearest) if (proxy_steps[p] == 0) == (target_steps[t] == 0)]
    )


def rank_correlations(proxy: Columns, target: Columns, seed: int) -> list[Interval]:
    """Return Spearman's rank correlation of two models' losses at every checkpoint.

    0 where one side has no order, all its losses being equal.

    Args:
        proxy: (n_rows, n_checkpoints), finite.
        target: The same rows and matching checkpoints, (n_rows, n_checkpoints).
        seed: Draws the bootstrap samples, the same ones for all checkpoints.
    """
    values = _spearman(proxy, target)
    samples = _resamples(len(proxy), seed)
    drawn = np.array([_spearman(proxy[rows], target[rows]) for rows in samples])
    low, high = np.percentile(drawn, LEVEL, axis=0)
    return [Interval(*map(float, each)) for each in zip(values, low, high, strict=True)]


def _spearman(a: Columns, b: Columns) -> Float64s:
    """Correlate the ranks of matching columns (n_columns,)."""
    from scipy.stats import rankdata

    x, y = (rankdata(side, axis=0) for side in (a, b))
    x, y = x - x.mean(0), y - y.mean(0)
    scale = np.sqrt((x**2).sum(0) * (y**2).sum(0))
    out: Float64s = np.divide((x * y).sum(0), scale, out=np.zeros(len(scale)), where=scale > 0)
    return out


def _resamples(n: int, seed: int) -> Iterator[Ints]:
    rng = np.random.default_rng(seed)
    return (rng.integers(n, size=n) for _ in range(DRAWS))


def clusterings(
    proxy: Losses,
    target: Losses,
    ids: npt.NDArray[np.object_],
    k: int,
    seed: int,
    *,
    include_start: tuple[bool, bool] = (False, False),
) -> Clusterings:
    """Cluster both sides' trajectories by k-means and compare the partitions.

    Args:
        proxy: (n_rows, n_checkpoints), finite.
        target: The same rows, (n_rows, n_other_checkpoints).
        ids: Row ids (n_rows,).
        seed: The first of the k-means seeds; draws the halves and the shuffles.
        include_start: Whether the first column counts, for the proxy and for the target.
    """
    from sklearn.metrics import adjusted_rand_score

    sides = [
        _seeds(x, ids, k, seed, start)
        for x, start in zip((proxy, target), include_start, strict=True)
    ]
    pairs = list(zip(*sides, strict=True))
    rng = np.random.default_rng(seed)
    shuffled = [
        adjusted_rand_score(rng.permutation(pairs[0][0]), pairs[0][1]) for _ in range(SHUFFLES)
    ]
    drawn = []
    for i in range(DRAWS):  # halves without repeats vary as much as resamples: 2/n - 1/n
        a, b = pairs[i % STARTS]
        half = rng.permutation(len(ids))[: len(ids) // 2]
        drawn.append(adjusted_rand_score(a[half], b[half]))
    value = float(np.mean([adjusted_rand_score(a, b) for a, b in pairs]))
    low, high = np.percentile(drawn, LEVEL)
    return Clusterings(
        Interval(value, float(low), float(high)),
        _ceiling(sides[0]),
        _ceiling(sides[1]),
        float(np.percentile(shuffled, LEVEL[1])),
    )


def ari_so_far(
    proxy: Losses,
    target: Losses,
    pairs: Ints,
    ids: npt.NDArray[np.object_],
    k: int,
    seed: int,
    *,
    include_start: tuple[bool, bool] = (False, False),
) -> list[float]:
    """Return the agreement of clusters of the trajectories up to each pair of recordings.

    The last is the `ari` of `clusterings`.

    Args:
        proxy: (n_rows, n_checkpoints), finite.
        target: The same rows, (n_rows, n_other_checkpoints).
        pairs: As `match` gives them (n_pairs, 2).
        ids: Row ids (n_rows,).
        seed: The first of the k-means seeds.
        include_start: Whether the first column counts, for the proxy and for the target.
    """
    from sklearn.metrics import adjusted_rand_score

    out = []
    for p, t in pairs:
        ours = _seeds(proxy[:, : p + 1], ids, k, seed, include_start[0])
        theirs = _seeds(target[:, : t + 1], ids, k, seed, include_start[1])
        scores = [adjusted_rand_score(a, b) for a, b in zip(ours, theirs, strict=True)]
        out.append(float(np.mean(scores)))
    return out


def _seeds(x: Losses, ids: npt.NDArray[np.object_], k: int, seed: int, start: bool) -> list[Labels]:
    return [cluster(x, ids, k, include_start=start, seed=seed + i).labels for i in range(STARTS)]


def _ceiling(seeds: list[Labels]) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(np.mean([adjusted_rand_score(a, b) for a, b in combinations(seeds, 2)]))
