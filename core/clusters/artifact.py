"""What a clustering is on the disk, and how it is sealed."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from core.arrays import Ints
from core.clusters.kmeans import Clustering
from core.clusters.settings import FIRST, Settings
from core.clusters.statistics import describe, quantiles
from core.edits.log import read
from core.jobs.progress import say
from core.settings import from_config, identity, to_config
from core.trajectories.artifact import load_flags, load_losses, load_steps
from core.workspace.artifact import EXTENDS, Artifact
from core.workspace.files import fingerprint
from core.workspace.store import Workspace


def excluded(workspace: Workspace, trajectories: Artifact, without: int) -> Ints:
    """Return the measured rows that are excluded after the first `without` edits."""
    rows = read(workspace, workspace.ancestor(trajectories, "dataset").id, without).excluded
    measured = (load_flags(trajectories)["flag"] == "").to_numpy()
    return rows[measured[rows]]


def key(workspace: Workspace, settings: Settings) -> str:
    """Return the fingerprint of the clustering that settings with a number for K give.

    Neither a note nor an edit that was undone makes another, as for selections.
    """
    if settings.without:
        dataset = workspace.ancestor(workspace.open(settings.trajectories), "dataset")
        at = read(workspace, dataset.id, settings.without).rows_at
        settings = dataclasses.replace(settings, without=at)
    return fingerprint("clusters", identity(settings, first=FIRST))


def find(workspace: Workspace, settings: Settings) -> Artifact | None:
    """Return the newest kept clustering of the same settings (and name, if given).

    One from before clusters had fingerprints is known by its config.
    """
    wanted = key(workspace, settings)
    for entry in workspace.entries("clusters"):
        ours = entry.state == "sealed" and settings.name in ("", entry.name)
        if ours and entry.parents.get("trajectories") == settings.trajectories:
            found = entry.fingerprint or key(workspace, from_config(Settings, entry.config))
            if found == wanted:
                return workspace.open(entry.id)
    return None


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
        fingerprint=key(workspace, settings),
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
