"""A made-up pool for the tests of selectors."""

import dataclasses

import numpy as np
import pandas as pd

from core.clusters.kmeans import cluster
from core.dataset.artifact import EXAMPLES
from core.selection.budget import parse
from core.selection.choose import PINNED, choose
from core.selection.pool import Choice, Match, Pool
from core.selection.s2l_options import Switches
from core.selection.strategies.catalog import STRATEGIES
from core.selection.target_queries import unit

N, K = 90, 7
MATCHED_ROWS, MATCHED_TOKENS = 23, 250


def needed(strategy, workspace, dataset, **sized) -> dict:
    """The settings a strategy cannot do without: what it is as large as, or a file."""
    row = STRATEGIES[strategy]
    if row.size == "matched":
        return sized
    if row.queries:
        return {"queries": write_queries(workspace.root)}
    if not row.scores:
        return {}
    path = workspace.root / "scores.csv"
    ids = pd.read_parquet(workspace.open(dataset).path / EXAMPLES, columns=["id"])["id"]
    pd.DataFrame({"id": ids, "score": range(len(ids))}).to_csv(path, index=False)
    return {"scores": str(path)}


def write_queries(folder) -> str:
    """Write a file of two examples to be like, which can be imported."""
    path = folder / "queries.jsonl"
    path.write_text(
        '{"question": "Sum of 5 and 7?", "answer": "12"}\n'
        '{"question": "Is 9 larger than 4?", "answer": "yes"}\n'
    )
    return str(path)


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
        rows,
        ids,
        sources,
        tokens,
        losses,
        labels,
        K,
        "raw",
        False,
        embeddings=embeddings,
        match=Match(MATCHED_ROWS, MATCHED_TOKENS),
        given=rng.permutation(N) + 1.0,
        queries=unit(rng.normal(size=(4, 6)).astype(np.float32))[0],
    )
    return dataclasses.replace(made, **changes)


def with_odd_rows(pool: Pool) -> tuple[Pool, Choice]:
    """Add three pinned rows: two without a loss, one that its clustering left out."""
    at = [11, 41, 71]

    def put(values, more):
        return np.insert(values, at, more, axis=0)

    nothing = np.full((2, 4), np.nan, np.float32)
    nothing[1, 0] = 0.5
    made = dataclasses.replace(
        pool,
        rows=put(pool.rows, [N, N + 1, N + 2]),
        ids=put(pool.ids, ["0010x", "0040x", "0070x"]),
        sources=put(pool.sources, ["a", "a", "b"]),
        tokens=put(pool.tokens, [5, 6, 7]),
        losses=put(pool.losses, [*nothing, pool.losses[0]]),
        labels=put(pool.labels, -1),
        given=put(pool.given, np.nan),
        embeddings=np.concatenate(
            [pool.embeddings, np.full((2, 6), np.nan, np.float16), pool.embeddings[:1]]
        ),
    )
    return made, Choice(np.array([11, 42, 73]), [PINNED] * 3)


def pick(pool, name, wanted, seed=0, how=None, stay=None):
    return choose(pool, name, parse(wanted), seed, stay, Switches(**(how or {})))


def ids(pool, *args, **kwargs):
    return pool.ids[pick(pool, *args, **kwargs).positions].tolist()
