"""Clusters of loss trajectories: k-means, and what is needed to read them.

Rows are put in order of id before any seeded step and clusters are numbered by (size, smallest id),
so a permuted dataset gives the same clusters.
"""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.artifact import EXTENDS, Artifact
from core.budget import Budget
from core.drawer import Drawer
from core.naming import keywords
from core.progress import say
from core.recorded import from_start, load_flags, load_losses, load_steps
from core.settings import MAX_SEED, Auto, check, setting, to_config
from core.store import Workspace

Losses = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
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
    map: bool = setting(True, help="Also draw the map", identity=False, hidden=True)
    name: str = setting("", help="What to call it", identity=False)

    def __post_init__(self) -> None:
        check(self)


class Clustering(NamedTuple):
    """One k-means result."""

    labels: Labels
    """Cluster of every row (n_rows,); -1 where the trajectory is not finite."""
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
    losses, flags = np.asarray(load_losses(trajectories)), load_flags(trajectories)
    k = auto_k(int((flags["flag"] == "").sum())) if settings.k == "auto" else int(settings.k)
    began = time.monotonic()
    result = cluster(
        losses,
        flags["id"].to_numpy(),
        k,
        settings.features,
        include_start=from_start(trajectories, settings.include_start),
        seed=settings.seed,
    )
    seconds = round(time.monotonic() - began, 4)
    dataset = workspace.ancestor(trajectories, "dataset")
    prompts = pd.read_parquet(dataset.path / "examples.parquet", columns=["prompt"])["prompt"]
    by_id = np.argsort(flags["id"].to_numpy())
    names = keywords(prompts.iloc[by_id], result.labels[by_id])
    settings, facts = dataclasses.replace(settings, k=k), {"cluster_seconds": seconds}
    return write(workspace, trajectories, settings, result, names, facts)


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
        f" left out: holdout or not measurable), sizes {table['size'].min():,} to "
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
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    usable = np.flatnonzero(np.isfinite(losses).all(1))
    if not 1 <= k <= len(usable):
        raise ValueError(
            f"K = {k} but {len(usable):,} rows can be clustered; choose K from 1 to {len(usable):,}"
        )
    order = usable[np.argsort(ids[usable])]
    x = features(losses[order], kind, include_start=include_start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than K
        model = KMeans(k, n_init=3 if len(x) <= 50_000 else 1, random_state=seed).fit(x)
    labels = np.full(len(losses), -1, np.int32)
    found, first, sizes = np.unique(model.labels_, return_index=True, return_counts=True)
    rank = np.lexsort((first, sizes))  # rows are in order of id: the first is the smallest id
    number = np.empty(found.max() + 1, np.int32)
    number[found[rank]] = np.arange(len(found))
    labels[order] = number[model.labels_]
    return Clustering(labels, model.cluster_centers_[found[rank]], float(model.inertia_))


def quantiles(losses: Losses, labels: Labels, steps: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Return loss quantiles per cluster and step: cluster, step, q10, q25, q50, q75, q90."""
    parts = []
    for c in np.unique(labels[labels >= 0]):
        q = np.quantile(losses[labels == c], QUANTILES, axis=0)
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
