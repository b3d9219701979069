"""The relative guard: rows that stay hard beside texts of their own kind, as wrong answers do.

A rule of absolute losses does not find them: a proxy from scratch starts so high that every loss
falls. Here a row is judged among the rows whose texts are like its own.
"""

from __future__ import annotations

import numpy as np

from core.arrays import Bools, Float32s, Halves, Ints
from core.clusters.kmeans import auto_k, fit
from core.trajectories import embeddings

AXES = 20
"""Principal components of the unit embeddings that texts are clustered on."""
DEVIATIONS = 2
SIGMA = 1.4826
"""Of a normal distribution, the standard deviation over the median absolute deviation."""


def harder_than_their_kind(pooled: Halves, rows: Ints, final: Float32s, k: int = 0) -> Bools:
    """Say which rows end above the median plus two robust deviations of their text cluster.

    Text clusters are k-means on 20 principal components of the proxy's unit embeddings; the
    deviation is 1.4826 times the median absolute deviation. Rows without an embedding or
    a loss are never suspected.

    Args:
        pooled: Embeddings of every row of the dataset (n_rows, width).
        rows: Rows judged (n,), in order of id.
        final: Their final losses (n,), nats per response token.
        k: Text clusters; 0 for as many as a clustering of so many rows would have.
    """
    from sklearn.decomposition import PCA

    there = np.flatnonzero(embeddings.recorded(pooled)[rows] & np.isfinite(final))
    out = np.zeros(len(rows), bool)
    if len(there) < 2:
        return out
    x: Float32s = embeddings.features(pooled, rows[there])
    if x.shape[1] > AXES and len(x) > AXES:
        x = PCA(AXES, svd_solver="covariance_eigh").fit_transform(x)
    labels = fit(x, min(k or auto_k(len(there)), len(there)), 0).labels
    for label in np.unique(labels):
        members = there[labels == label]
        losses = np.asarray(final[members], np.float64)
        middle = np.median(losses)
        spread = SIGMA * np.median(np.abs(losses - middle))
        out[members] = losses > middle + DEVIATIONS * spread
    return out
