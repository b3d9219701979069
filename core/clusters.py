"""Clusters of loss trajectories: k-means, and what is needed to read them.

Rows are put in order of id before any seeded step and clusters are numbered by (size, smallest id),
so a permuted dataset gives the same clusters.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core import kmeans
from core.artifact import EXTENDS, Artifact
from core.budget import Budget
from core.drawer import Drawer
from core.edits import read
from core.naming import keywords, sampled
from core.progress import say
from core.recorded import from_start, load_flags, load_losses, load_steps
from core.settings import MAX_SEED, Auto, check, setting, to_config
from core.store import Workspace
from core.texts import prompts

Losses = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Features = str
MAX_K = 100
BUDGET_SHARE = 0.11
ROWS_PER_CLUSTER = 10
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)

FEATURES: dict[Features, Callable[[Losses], Losses]] = {
    "raw": lambda x: x,
    "centred": lambda x: x - x.mean(1, keepdims=True),
    "diff": lambda x: np.diff(x, axis=1),
    "zscore": lambda x: (x - x.mean(1, keepdims=True)) / (x.std(1, keepdims=True) + 1e-6),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How to cut the trajectories into clusters."""

    trajectories: str = setting(help="Trajectories id", hidden=True)
    k: int | Auto = setting(
        "auto",
        help="Clusters; auto is 100, but never below 10 selected rows a cluster at 11%",
        label="Clusters (K)",
        minimum=1,
    )
    features: str = setting(
        "raw",
        help="raw losses (the paper); centred or zscore compare shapes; diff compares changes",
        choices=tuple(FEATURES),
    )
    include_start: bool = setting(
        False, help="Also use the losses before training (step 0)", advanced=True
    )
    seed: int = setting(
        0, help="Draws the first centres", minimum=0, maximum=MAX_SEED, advanced=True
    )
    extend: str = setting(
        "",
        flags=("--from",),
        help="Clusters id: instead of clustering, keep its clusters, and give each row that it "
        "does not have to the nearest centre",
        hidden=True,
    )
    without: int = setting(
        0,
        help="Leave out the rows that are excluded after the first N edits of the dataset's log; "
        "0 leaves none out",
        minimum=0,
        hidden=True,
    )
    map: bool = setting(True, help="Also draw the map", identity=False, hidden=True)
    name: str = setting("", help="What to call it", identity=False)

    def __post_init__(self) -> None:
        check(self)


class Clustering(NamedTuple):
    """One k-means result."""

    labels: Labels
    """Cluster of every row (n_rows,); -1 where the trajectory is not finite, or left out."""
    centroids: Losses
    """In feature space (n_clusters, n_features)."""
    inertia: float
    """Sum of squared distances to the own centre."""


def run(workspace: Workspace, settings: Settings) -> str:
    """Cluster, describe, seal; return the id."""
    trajectories = workspace.open(settings.trajectories, "trajectories")
    artifact = seal(workspace, trajectories, settings)
    if settings.map:
        Drawer(workspace).draw(trajectories.id, settings.features, settings.include_start)
    return artifact.id


def seal(workspace: Workspace, trajectories: Artifact, settings: Settings) -> Artifact:
    """Compute a clustering, or extend one, and keep it."""
    if settings.extend:
        from core import drift

        return drift.seal(workspace, trajectories, settings)
    began = time.monotonic()
    result, k, out = compute(workspace, trajectories, settings)
    facts = {"excluded": out, "cluster_seconds": round(time.monotonic() - began, 4)}
    settings = dataclasses.replace(settings, k=k)
    found = names(workspace, trajectories, result.labels)
    return write(workspace, trajectories, settings, result, found, facts)


def compute(
    workspace: Workspace, trajectories: Artifact, settings: Settings
) -> tuple[Clustering, int, int]:
    """Cluster as the settings say; return the clustering, its K and the rows left out as excluded.

    Raises:
        ValueError: K is larger than the number of usable rows.
    """
    losses, flags = np.asarray(load_losses(trajectories)), load_flags(trajectories)
    out = excluded(workspace, trajectories, settings.without)
    if len(out):
        losses = losses.copy()
        losses[out] = np.nan  # as if not measurable
    measured = int((flags["flag"] == "").sum()) - len(out)
    k = auto_k(measured) if settings.k == "auto" else int(settings.k)
    result = cluster(
        losses,
        flags["id"].to_numpy(),
        k,
        settings.features,
        include_start=from_start(trajectories, settings.include_start),
        seed=settings.seed,
    )
    return result, k, len(out)


def names(workspace: Workspace, trajectories: Artifact, labels: Labels) -> list[str]:
    """Return keywords for every cluster, by number; the order of the rows does not matter."""
    dataset = workspace.ancestor(trajectories, "dataset")
    return name(dataset, load_flags(trajectories)["id"].to_numpy(), labels)


def excluded(workspace: Workspace, trajectories: Artifact, without: int) -> Ints:
    """Return the measured rows that are excluded after the first `without` edits."""
    rows = read(workspace, workspace.ancestor(trajectories, "dataset").id, without).excluded
    measured = (load_flags(trajectories)["flag"] == "").to_numpy()
    return rows[measured[rows]]


def write(
    workspace: Workspace,
    trajectories: Artifact,
    settings: Settings,
    result: Clustering,
    names: list[str],
    facts: dict[str, Any] | None = None,
) -> Artifact:
    """Describe a clustering and seal it.

    Args:
        workspace: Where.
        trajectories: What was clustered.
        settings: With the number of clusters as `k`.
        result: The clustering.
        names: Of the clusters, by number.
        facts: What else the summary holds.
    """
    losses, flags = np.asarray(load_losses(trajectories)), load_flags(trajectories)
    table = describe(result.labels, losses, flags)
    table["name"] = [names[c] for c in table["cluster"]]
    title = "extended" if settings.extend else f"K={settings.k}"
    draft = workspace.draft(
        "clusters",
        name=settings.name or f"{trajectories.name} · {title} {settings.features}",
        config=to_config(settings),
        parents={"trajectories": trajectories.id}
        | ({EXTENDS: settings.extend} if settings.extend else {}),
    )
    np.save(draft.path / "labels.npy", result.labels)
    np.save(draft.path / "centroids.npy", result.centroids)
    quantiles(losses, result.labels, load_steps(trajectories)).to_parquet(
        draft.path / "quantiles.parquet"
    )
    table.to_parquet(draft.path / "table.parquet")
    left_out = int((result.labels < 0).sum())
    say(
        f"{len(table)} clusters of {len(losses) - left_out:,} rows ({left_out:,} of {len(losses):,}"
        f" left out: holdout, not measurable or excluded), sizes {table['size'].min():,} to "
        f"{table['size'].max():,}"
    )
    return draft.seal(
        {
            "k": settings.k,
            "clusters": len(table),
            "rows": len(losses),
            "clustered": len(losses) - left_out,
            "left_out": left_out,
            "inertia": result.inertia,
            "smallest": int(table["size"].min()),
            "largest": int(table["size"].max()),
            **(facts or {}),
        }
    )


def auto_k(pool: int, budget: int = 0) -> int:
    """Return the default K: 100, but never below 10 selected rows a cluster.

    Args:
        pool: Rows that can be clustered.
        budget: Rows to be selected; 11% of the pool while it is 0.
    """
    wanted = budget or Budget("share", BUDGET_SHARE).rows(pool)
    return max(1, min(MAX_K, max(2, wanted // ROWS_PER_CLUSTER), pool))


def features(losses: Losses, kind: Features, *, include_start: bool = False) -> Losses:
    """Return what rows are compared by (n_rows, n_features).

    Clustering uses the recordings after training began (t > 0), as the official code does;
    `include_start` adds t = 0.
    """
    window = losses if include_start or losses.shape[1] == 1 else losses[:, 1:]
    if kind == "diff" and window.shape[1] < 2:
        window = losses
    return np.ascontiguousarray(FEATURES[kind](window), np.float32)


def cluster(
    losses: Losses,
    ids: npt.NDArray[np.object_],
    k: int,
    kind: Features = "raw",
    *,
    include_start: bool = False,
    seed: int = 0,
) -> Clustering:
    """Cluster trajectories by k-means (Euclidean).

    Args:
        losses: Nats per response token (n_rows, n_checkpoints).
        ids: Row ids (n_rows,), unique.
        k: Clusters; fewer come back when fewer trajectories are distinct.
        kind: Features compared.
        include_start: Whether step 0 counts.
        seed: Of k-means++.

    Raises:
        ValueError: K is larger than the number of usable rows.
    """
    usable = np.flatnonzero(np.isfinite(losses).all(1))
    if not len(usable):
        raise ValueError("no row has a loss and is not excluded, so nothing can be clustered")
    if not 1 <= k <= len(usable):
        raise ValueError(
            f"K = {k} but {len(usable):,} rows can be clustered; choose K from 1 to {len(usable):,}"
        )
    order = usable[by_id(ids[usable])]
    found = kmeans.fit(features(losses[order], kind, include_start=include_start), k, seed)
    labels = np.full(len(losses), -1, np.int32)
    used, first, sizes = np.unique(found.labels, return_index=True, return_counts=True)
    rank = np.lexsort((first, sizes))  # rows are in order of id: the first is the smallest id
    number = np.empty(used.max() + 1, np.int32)
    number[used[rank]] = np.arange(len(used))
    labels[order] = number[found.labels]
    return Clustering(labels, found.centres[used[rank]], found.inertia)


def by_id(ids: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
    """Return the positions of the ids in their order, three times as fast as `np.argsort`."""
    order = pc.sort_indices(pa.array(ids, pa.large_string()))
    return np.asarray(order, np.int64)


def name(dataset: Artifact, ids: npt.NDArray[np.object_], labels: Labels) -> list[str]:
    """Name every cluster by its keywords, reading no more prompts than needed.

    Args:
        dataset: Has the prompts.
        ids: Row ids (n_rows,): a permuted dataset gives the same names.
        labels: Cluster of every row (n_rows,).
    """
    order = by_id(ids)
    rows = order[sampled(labels[order])]
    return keywords(prompts(dataset, rows), labels[rows])


def quantiles(losses: Losses, labels: Labels, steps: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Return loss quantiles per cluster and step: cluster, step, q10, q25, q50, q75, q90."""
    parts = []
    for c, rows in enumerate(kmeans.members(labels)):
        if len(rows):
            columns = np.ascontiguousarray(losses[rows].T)  # partitioned a column at a time
            q = np.quantile(columns, QUANTILES, axis=1)
            part = pd.DataFrame(q.T, columns=[f"q{round(100 * p)}" for p in QUANTILES])
            part.insert(0, "step", steps)
            part.insert(0, "cluster", c)
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def describe(labels: Labels, losses: Losses, flags: pd.DataFrame) -> pd.DataFrame:
    """Return one row per cluster, in order of number.

    Columns: cluster, size, first_loss, final_loss, drop (nats per response token), tokens (mean
    response length), source (the commonest), purity (its share of the cluster).
    """
    frame = pd.DataFrame(
        {
            "cluster": labels,
            "first_loss": losses[:, 0],
            "final_loss": losses[:, -1],
            "tokens": flags["n_response"].to_numpy(),
            "source": flags["source"].to_numpy(),
        }
    )
    frame = frame[frame["cluster"] >= 0]
    grouped = frame.groupby("cluster")
    table = grouped[["first_loss", "final_loss", "tokens"]].mean()
    table.insert(0, "size", grouped.size())
    table.insert(3, "drop", table["first_loss"] - table["final_loss"])
    counts = frame.groupby(["cluster", "source"]).size()
    top = counts.groupby("cluster").idxmax()
    table["source"] = [source for _, source in top]
    table["purity"] = counts.groupby("cluster").max() / table["size"]
    return table.reset_index()
