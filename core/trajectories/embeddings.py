"""Embeddings of the texts: the proxy's mean hidden state of every row at the last recording.

They stay on the disk as float16 (1M rows of 512 are 1 GB); what is compared is at most 50 wide.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.arrays import Float32s, Halves, Ints
from core.errors import InputError
from core.trajectories.artifact import POOLED
from core.workspace.artifact import Artifact

WIDTH = 50
"""Wider ones are projected on so many principal axes."""
AXES_ROWS = 20_000
"""Rows that the axes are found on, at most twice as many."""
CHUNK = 20_000


def load(trajectories: Artifact) -> Halves:
    """Memory-map the embeddings (n_rows, width); rows that were not recorded are 0.

    Raises:
        InputError: there are none.
    """
    path = trajectories.path / POOLED
    if not path.exists():
        raise InputError(
            f"{trajectories.name} has no embeddings of its texts: a proxy trained here with "
            "--record all keeps them; imported and extended losses come without"
        )
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def recorded(pooled: Halves) -> npt.NDArray[np.bool_]:
    """Say which rows have an embedding (n_rows,)."""
    parts = [pooled[i : i + CHUNK] for i in range(0, len(pooled), CHUNK)]
    there = [np.isfinite(p).all(1) & (p != 0).any(1) for p in parts]
    return np.concatenate([np.zeros(0, bool), *there])


def features(pooled: Halves, rows: Ints) -> Float32s:
    """Return what rows are compared by: Euclidean distances that grow with the angle between them.

    Args:
        pooled: (n_rows, width).
        rows: The rows wanted, in their order.

    Returns:
        (len(rows), at most 50): embeddings of length 1, on their principal axes if they are wider.
    """
    from sklearn.decomposition import PCA

    axes: PCA | None = None
    if pooled.shape[1] > WIDTH and len(rows) > WIDTH:
        some = _unit(pooled[rows[:: max(1, len(rows) // AXES_ROWS)]])
        axes = PCA(WIDTH, svd_solver="covariance_eigh").fit(some)
    out = np.empty((len(rows), WIDTH if axes else pooled.shape[1]), np.float32)
    for start in range(0, len(rows), CHUNK):
        part = _unit(pooled[rows[start : start + CHUNK]])
        out[start : start + CHUNK] = axes.transform(part) if axes else part
    return out


def _unit(rows: Halves) -> Float32s:
    single = rows.astype(np.float32)  # squares of halves overflow
    single /= np.linalg.norm(single, axis=1, keepdims=True)
    return single
