"""What proxy and target training share: the paper's values, those from scratch, steps of epochs."""

from __future__ import annotations

import math


def steps_for(n_rows: int, epochs: float, batch_size: int) -> int:
    """Return the optimizer steps of this many epochs, at least one."""
    return max(1, round(epochs * math.ceil(n_rows / batch_size)))


PRETRAINED = {"epochs": 3.0, "lr": 2e-5, "batch_size": 128}
"""The paper's values."""
FROM_SCRATCH = {"epochs": 6.0, "lr": 3e-3, "batch_size": 32}
PAPER = {
    "model": "EleutherAI/pythia-70m-deduped",
    "epochs": 3.0,
    "lr": 2e-5,
    "batch_size": 128,
    "max_length": 512,
    "template": "alpaca",
}
"""Proxy settings of arXiv 2403.07384; cosine, 3% warm-up and no weight decay are ours always."""


def epochs_of(n_rows: int, steps: int, batch_size: int) -> float:
    """Return how often so many steps pass over the rows: a pass ends with a batch of what is left.

    Two hundred steps on 14 rows in batches of 32 are 200 passes.
    """
    return steps / math.ceil(n_rows / batch_size)
