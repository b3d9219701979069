"""Projections: rows placed on a plane by PCA or UMAP."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Float32s, by_id
from core.jobs.progress import Progress
from core.trajectories import embeddings
from core.trajectories.features import Features, features

FIT_ROWS = 20_000
"""UMAP is fitted on at most this many rows; the rest are placed by their neighbours."""
PLACE_NEIGHBOURS = 5
NEIGHBOURS = 15
EPOCHS = 200


def place(
    values: npt.NDArray[Any],
    ids: npt.NDArray[np.object_],
    kind: Features = "raw",
    *,
    of: str = "trajectories",
    include_start: bool = False,
    method: str,
    seed: int,
) -> tuple[Float32s, int]:
    """Place rows in two dimensions.

    Args:
        values: Losses (n_rows, n_checkpoints); a row with a NaN is not placed. Or embeddings
            (n_rows, width); a row of zeros is not placed.
        ids: Row ids (n_rows,); rows are taken in their order, so a permutation changes nothing.
        kind: Features compared; of trajectories.
        of: What the values are: trajectories or embeddings.
        include_start: Whether step 0 counts; of trajectories.
        method: umap or pca.
        seed: Of the sample and of UMAP.

    Returns:
        xy (n_rows, 2), NaN where not placed, and the number of rows the projection was fitted on.
    """
    if of == "embeddings":
        usable = np.flatnonzero(embeddings.recorded(values))
    else:
        usable = np.flatnonzero(np.isfinite(values).all(1))
    order = usable[by_id(ids[usable])]
    if of == "embeddings":
        x = embeddings.features(values, order)
    else:
        x = features(values[order], kind, include_start=include_start)
    xy = np.full((len(values), 2), np.nan, np.float32)
    if not len(order):
        return xy, 0
    if method == "pca" or len(order) < 10 or x.shape[1] < 2:  # UMAP starts from two directions
        xy[order] = pca(x)
        return xy, len(order)
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.permutation(len(x))[:FIT_ROWS])
    progress = Progress("draw map", 2)
    fitted = _umap(x[sample], seed)
    progress.update(1)
    if len(sample) == len(x):
        xy[order] = fitted
    else:
        xy[order] = _by_neighbours(x, x[sample], fitted)
        xy[order[sample]] = fitted
    progress.update(2)
    return xy, len(sample)


def pca(x: Float32s) -> Float32s:
    """Project on the two directions of largest variance (n, 2); signs are fixed."""
    centred = x - x.mean(0)
    _, _, axes = np.linalg.svd(centred[:: max(1, len(x) // FIT_ROWS)], full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2].sum(1, keepdims=True) + 1e-12)
    xy = np.zeros((len(x), 2), np.float32)
    xy[:, : len(axes)] = centred @ axes.T
    return xy


def warm_up() -> None:
    """Compile what UMAP compiles on its first call, which takes longer than most maps."""
    _umap(np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32), 0)


def _umap(x: Float32s, seed: int) -> Float32s:
    """Project with exact neighbours: UMAP's own search compares small sets in a Python loop."""
    import umap
    from sklearn.neighbors import NearestNeighbors

    k = min(NEIGHBOURS, len(x) - 1)
    distance, near = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x).kneighbors(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no later transform: we place by neighbours
        reducer = umap.UMAP(
            n_neighbors=k,
            min_dist=0.1,
            init="pca",
            n_epochs=EPOCHS,
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(near, distance.astype(np.float32)),
            force_approximation_algorithm=True,
        )
        return np.asarray(reducer.fit_transform(x), np.float32)


def _by_neighbours(x: Float32s, known: Float32s, placed: Float32s) -> Float32s:
    """Place each row at the distance-weighted mean of its nearest placed rows."""
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=PLACE_NEIGHBOURS, algorithm="brute").fit(known)
    out = np.empty((len(x), 2), np.float32)
    progress = Progress("place rows", len(x))
    for start in range(0, len(x), FIT_ROWS):
        distance, near = index.kneighbors(x[start : start + FIT_ROWS])
        weight = 1 / (distance + 1e-6)
        weight /= weight.sum(1, keepdims=True)
        out[start : start + FIT_ROWS] = (placed[near] * weight[..., None]).sum(1)
        progress.update(min(start + FIT_ROWS, len(x)))
    return out
