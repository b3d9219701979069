"""k-means (Euclidean); of many rows the centres are found on samples, then moved by all of them.

Little is lost: the centres of a large sample are near those of all rows, and what a few more
starts gain, which is cheap on a sample, is more. Time and inertia are measured in
docs/performance.md.
"""

from __future__ import annotations

import itertools
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

EXACT_ROWS = 50_000
"""Up to here each of three starts sees every row until it converges."""
SAMPLE, SAMPLE_A_CLUSTER = 20_000, 50
"""Rows that the starts see: at least so many in all, and a cluster."""
STARTS, START_STEPS = 6, 5
"""Judged on the sample after so many steps; the best goes on."""
STAGES = ((1, 40), (4, 20))
"""Samples of so many times these rows, each within the next, and the steps on them."""
ALL_STEPS = 8


class Fit(NamedTuple):
    """Centres, and what they give."""

    labels: npt.NDArray[np.int32]
    """Nearest centre of every row (n_rows,)."""
    centres: Floats
    """(k, n_features); some may have no row where fewer than k rows are distinct."""
    inertia: float
    """Sum of squared distances to the nearest centre."""


def fit(x: Floats, k: int, seed: int) -> Fit:
    """Find k centres: k-means++ (Arthur and Vassilvitskii 2007), then Lloyd's steps.

    Args:
        x: Rows to cluster (n_rows, n_features), finite, at least k.
        k: Centres.
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


def _lloyd(x: Floats, k: int, seed: int, **how: object) -> Fit:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than K
        model = KMeans(k, random_state=seed, **({"n_init": 1} | how)).fit(x)
    return Fit(model.labels_, model.cluster_centers_, float(model.inertia_))
