"""Clusters of loss trajectories: computed or extended, described and sealed.

The arithmetic is in `core.clusters.statistics`.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from core.clusters.keywords import keywords, sampled
from core.clusters.statistics import (
    FEATURES,
    Clustering,
    Labels,
    auto_k,
    by_id,
    cluster,
    describe,
    quantiles,
)
from core.edits.log import read
from core.jobs.progress import say
from core.jobs.warm_process import Drawer
from core.model.pool_texts import prompts
from core.settings import MAX_SEED, Auto, check, setting, to_config
from core.trajectories.artifact import from_start, load_flags, load_losses, load_steps
from core.workspace.artifact import EXTENDS, Artifact
from core.workspace.store import Workspace

Ints = npt.NDArray[np.int64]


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
        from core.clusters import extend as drift

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
