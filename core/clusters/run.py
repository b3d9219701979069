"""Clusters of loss trajectories: computed or extended, described and sealed.

The arithmetic is in `core.clusters.statistics`.
"""

from __future__ import annotations

import dataclasses
import time

import numpy as np

from core.clusters.artifact import excluded, write
from core.clusters.keywords import names
from core.clusters.kmeans import Clustering, auto_k, cluster
from core.clusters.settings import Settings
from core.trajectories import draw_map
from core.trajectories.artifact import from_start, load_flags, load_losses
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace


def run(workspace: Workspace, settings: Settings) -> str:
    """Cluster, describe, seal; return the id."""
    trajectories = workspace.open(settings.trajectories, "trajectories")
    artifact = seal(workspace, trajectories, settings)
    if settings.map:
        draw_map.draw(
            draw_map.warm_up(workspace),
            trajectories.id,
            features=settings.features,
            include_start=settings.include_start,
        )
    return artifact.id


def seal(workspace: Workspace, trajectories: Artifact, settings: Settings) -> Artifact:
    """Compute a clustering, or extend one, and keep it."""
    if settings.extend:
        from core.clusters import extend

        return extend.seal(workspace, trajectories, settings)
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
        InputError: K is larger than the number of usable rows.
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
