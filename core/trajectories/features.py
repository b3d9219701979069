"""What rows are compared by: their loss trajectories, raw or transformed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.arrays import Losses

Features = str
FEATURES: dict[Features, Callable[[Losses], Losses]] = {
    "raw": lambda x: x,
    "centred": lambda x: x - x.mean(1, keepdims=True),
    "diff": lambda x: np.diff(x, axis=1),
    "zscore": lambda x: (x - x.mean(1, keepdims=True)) / (x.std(1, keepdims=True) + 1e-6),
}


def features(losses: Losses, kind: Features, *, include_start: bool = False) -> Losses:
    """Return what rows are compared by (n_rows, n_features).

    Clustering uses the recordings after training began (t > 0), as the official code does;
    `include_start` adds t = 0.
    """
    window = losses if include_start or losses.shape[1] == 1 else losses[:, 1:]
    if kind == "diff" and window.shape[1] < 2:
        window = losses
    return np.ascontiguousarray(FEATURES[kind](window), np.float32)
