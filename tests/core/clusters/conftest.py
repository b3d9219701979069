"""Made-up trajectories in three bundles."""

import numpy as np


def curves(n=120, seed=0):
    """Three bundles of trajectories and two unmeasurable rows (n, 5)."""
    rng = np.random.default_rng(seed)
    level = np.repeat([1.0, 2.0, 4.0], n // 3)[:, None]
    losses = level * np.linspace(1, 0.5, 5) + rng.normal(0, 0.02, (n, 5))
    losses[[7, 50]] = np.nan
    losses[50, 0] = 1.0
    ids = np.array([f"{h:08x}" for h in rng.permutation(n)], dtype=object)
    return losses.astype(np.float32), ids
