"""A made-up pool for the tests of selectors."""

import dataclasses

import numpy as np

from core.clusters import cluster
from core.selectors import Match, Pool

N, K = 90, 7
MATCHED_ROWS, MATCHED_TOKENS = 23, 250


def make_pool(order=None, seed=0, **changes) -> Pool:
    """A pool in order of id, whose dataset rows stand in another order."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"{i:04d}" for i in range(N)], dtype=object)
    losses = np.sort(rng.random((N, 4)), axis=1)[:, ::-1].astype(np.float32)
    sources = rng.choice(["a", "b", "c"], N, p=[0.7, 0.2, 0.1]).astype(object)
    labels = cluster(losses, ids, K).labels
    rows = np.arange(N) if order is None else np.argsort(order)
    tokens = rng.integers(1, 30, N)
    embeddings = np.empty((N, 6), np.float16)
    embeddings[rows] = rng.normal(size=(N, 6)) + 3
    made = Pool(
        rows, ids, sources, tokens, losses, labels, K, "raw", False,
        embeddings=embeddings, match=Match(MATCHED_ROWS, MATCHED_TOKENS),
    )  # fmt: skip
    return dataclasses.replace(made, **changes)
