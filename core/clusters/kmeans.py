"""k-means (Euclidean); of many rows the centres are found on samples, then moved by all of them.

Little is lost: the centres of a large sample are near those of all rows, and what a few more
starts gain, which is cheap on a sample, is more. Time and inertia are measured in
docs/performance.md.
"""

from __future__ import annotations

import itertools
import math
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.arrays import Float32s, Labels, Losses, by_id
from core.errors import InputError
from core.trajectories.features import Features, features

EXACT_ROWS = 50_000
"""Up to here each of three starts sees every row until it converges."""
SAMPLE, SAMPLE_A_CLUSTER = 20_000, 50
"""Rows that the starts see: at least so many in all, and a cluster."""
STARTS, START_STEPS = 6, 5
"""Judged on the sample after so many steps; the best goes on."""
STAGES = ((1, 40), (4, 20))
"""Samples of so many times these rows, each within the next, and the steps on them."""
ALL_STEPS = 8


class KMeansFit(NamedTuple):
    """Centres, and what they give."""

    labels: npt.NDArray[np.int32]
    """Nearest centre of every row (n_rows,)."""
    centres: Float32s
    """(k, n_features); some may have no row where fewer than k rows are distinct."""
    inertia: float
    """Sum of squared distances to the nearest centre."""


def fit(x: Float32s, k: int, seed: int) -> KMeansFit:
    """Find k centres: k-means++ (Arthur and Vassilvitskii 2007), then Lloyd's steps.

    Args:
        x: Rows to cluster (n_rows, n_features), finite, at least k.
        seed: Of k-means++ and of the sample.
    """
    if len(x) <= EXACT_ROWS:
        return _lloyd(x, k, seed, n_init=3)
    size = max(SAMPLE, SAMPLE_A_CLUSTER * k)
    if size >= len(x):
        return _lloyd(x, k, seed)
    order = np.random.default_rng(seed).permutation(len(x))
    sample = x[np.sort(order[:size])]
    best = _lloyd(sample, k, seed, n_init=STARTS, max_iter=START_STEPS)
    for times, steps in STAGES:
        sample = x[np.sort(order[: times * size])]
        best = _lloyd(sample, k, seed, init=best.centres, max_iter=steps)
    return _lloyd(x, k, seed, init=best.centres, max_iter=ALL_STEPS)


def members(labels: npt.NDArray[np.int32]) -> list[npt.NDArray[np.int64]]:
    """Return the rows of every cluster by its number, ascending; those of -1 are in none."""
    order = np.argsort(labels, kind="stable")
    edges = np.searchsorted(labels[order], np.arange(labels.max(initial=-1) + 2))
    return [order[a:b] for a, b in itertools.pairwise(edges)]


def _lloyd(x: Float32s, k: int, seed: int, **how: object) -> KMeansFit:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than K
        model = KMeans(k, random_state=seed, **({"n_init": 1} | how)).fit(x)
    return KMeansFit(model.labels_, model.cluster_centers_, float(model.inertia_))


MAX_K = 100
BUDGET_SHARE = 0.11
ROWS_PER_CLUSTER = 10


class Clustering(NamedTuple):
    """One k-means result."""

    labels: Labels
    """Cluster of every row (n_rows,); -1 where the trajectory is not finite, or left out."""
    centroids: Losses
    """In feature space (n_clusters, n_features)."""
    inertia: float
    """Sum of squared distances to the own centre."""


def rows_of_share(share: float, rows: int) -> int:
    """Return how many rows a share (0 to 1) of some rows is: rounded down, at least one."""
    return max(1, math.floor(share * rows + 1e-9))


def auto_k(pool: int, budget: int = 0) -> int:
    """Return the default K: 100, but never below 10 selected rows a cluster.

    Args:
        pool: Rows that can be clustered.
        budget: Rows to be selected; 11% of the pool while it is 0.
    """
    rows = budget or rows_of_share(BUDGET_SHARE, pool)
    return max(1, min(MAX_K, max(2, rows // ROWS_PER_CLUSTER), pool))


def cluster(
    losses: Losses,
    ids: npt.NDArray[np.object_],
    k: int,
    kind: Features = "raw",
    *,
    include_start: bool = False,
    seed: int = 0,
) -> Clustering:
    """Cluster trajectories by k-means (Euclidean).

    Args:
        losses: Nats per response token (n_rows, n_checkpoints).
        ids: Row ids (n_rows,), unique.
        k: Clusters; fewer come back when fewer trajectories are distinct.
        include_start: Whether step 0 counts.
        seed: Of k-means++.

    Raises:
        InputError: K is larger than the number of usable rows.
    """
    usable = np.flatnonzero(np.isfinite(losses).all(1))
    if not len(usable):
        raise InputError("no row has a loss and is not excluded, so nothing can be clustered")
    if not 1 <= k <= len(usable):
        raise InputError(
            f"K = {k} but {len(usable):,} rows can be clustered; choose K from 1 to {len(usable):,}"
        )
    order = usable[by_id(ids[usable])]
    clustering = fit(features(losses[order], kind, include_start=include_start), k, seed)
    labels = np.full(len(losses), -1, np.int32)
    used, first, sizes = np.unique(clustering.labels, return_index=True, return_counts=True)
    rank = np.lexsort((first, sizes))  # rows are in order of id: the first is the smallest id
    number = np.empty(used.max() + 1, np.int32)
    number[used[rank]] = np.arange(len(used))
    labels[order] = number[clustering.labels]
    return Clustering(labels, clustering.centres[used[rank]], clustering.inertia)
