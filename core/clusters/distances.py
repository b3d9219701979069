"""Distances between rows and cluster centres, and between the centres."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.arrays import Float64s, Labels, Losses

CHUNK = 16_384
"""Rows compared with all centres at a time."""


def distances(centroids: Losses) -> pd.DataFrame:
    """Return every cluster's nearest other cluster: cluster, nearest, distance.

    Args:
        centroids: In feature space (n_clusters, n_features).

    Returns:
        `distance` is Euclidean between the centres, in the units of the features; nearest is -1
        and distance NaN where there is one cluster only.
    """
    k = len(centroids)
    between = _squared(np.asarray(centroids, np.float64), centroids)
    np.fill_diagonal(between, np.inf)
    nearest = between.argmin(1) if k > 1 else np.full(k, -1)
    distance = np.sqrt(between.min(1)) if k > 1 else np.full(k, np.nan)
    return pd.DataFrame({"cluster": np.arange(k), "nearest": nearest, "distance": distance})


def own(x: Losses, labels: Labels, centroids: Losses) -> Float64s:
    """Return each row's distance to its own centre (n_rows,); NaN without a cluster.

    Args:
        x: Features (n_rows, n_features).
        labels: Cluster of each row (n_rows,), -1 for none.
        centroids: (n_clusters, n_features).
    """
    out = np.full(len(x), np.nan)
    inside = labels >= 0
    gap = x[inside] - centroids[labels[inside]]
    out[inside] = np.sqrt(np.einsum("ij,ij->i", gap, gap, dtype=np.float64))
    return out


def own_and_other(x: Losses, labels: Labels, centroids: Losses) -> tuple[Float64s, Float64s]:
    """Return each row's distance to its own centre and to the nearest other one (n_rows,) each.

    Both are NaN for a row without a cluster; the other is 0 where there is one cluster only.

    Args:
        x: Features (n_rows, n_features).
        labels: Cluster of each row (n_rows,), -1 for none.
        centroids: (n_clusters, n_features).
    """
    own, other = np.full(len(x), np.nan), np.full(len(x), np.nan)
    inside = np.flatnonzero(labels >= 0)
    for at in range(0, len(inside), CHUNK):
        rows = inside[at : at + CHUNK]
        gaps = _squared(x[rows].astype(np.float64), centroids)
        here = (np.arange(len(rows)), labels[rows])
        own[rows] = np.sqrt(gaps[here])
        gaps[here] = np.inf
        other[rows] = np.sqrt(gaps.min(1)) if len(centroids) > 1 else 0.0
    return own, other


def _squared(x: Float64s, centroids: Losses) -> Float64s:
    """Return squared distances (n_rows, n_clusters)."""
    centres = centroids.astype(np.float64)
    middle = centres.mean(0)  # near the origin, the difference of large squares stays exact
    x, centres = x - middle, centres - middle
    out: Float64s = (x**2).sum(1)[:, None] - 2 * x @ centres.T + (centres**2).sum(1)
    return np.maximum(out, 0)


def pairs(
    losses: Losses, labels: Labels, *, n: int = 4_000, seed: int = 0
) -> tuple[Float64s, Float64s]:
    """Return distances between trajectories of one cluster and of two (root mean square, n,) each.

    Pairs are drawn at random: a row of any cluster with another row of its own, and with one of
    another cluster (the comparison of figure 3 of the S2L paper).

    Args:
        losses: Nats per response token (n_rows, n_checkpoints).
        labels: Cluster of each row (n_rows,), -1 for none.
        n: Pairs of each kind, at most.

    Returns:
        In nats per response token; empty where there is no such pair.
    """
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        return np.zeros(0), np.zeros(0)
    order = rows[np.argsort(labels[rows], kind="stable")]
    begin = np.searchsorted(labels[order], np.arange(labels.max() + 2))
    one = rng.choice(rows, n)
    size = np.diff(begin)[labels[one]]
    same = order[begin[labels[one]] + rng.integers(0, size)]
    other = rng.choice(rows, n)
    inside = one != same
    across = labels[one] != labels[other]
    return _gap(losses, one[inside], same[inside]), _gap(losses, one[across], other[across])


def _gap(losses: Losses, a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> Float64s:
    difference = losses[a].astype(np.float64) - losses[b]
    out: Float64s = np.sqrt((difference**2).mean(1))
    return out
