"""Clusters of loss trajectories: computed or extended, described and sealed.

The arithmetic is in `core.clusters.statistics`.
"""

from __future__ import annotations

import dataclasses
import time

import numpy as np

from core.clusters import extend
from core.clusters.artifact import edits_of, excluded, find, write
from core.clusters.keywords import names
from core.clusters.kmeans import Clustering, auto_k, cluster
from core.clusters.settings import Settings
from core.edits.state import Edits
from core.jobs.progress import say
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
    """Compute a clustering, or extend one, and keep it; return the one that exists, if there is."""
    edits = edits_of(trajectories, settings)
    settings = resolved(trajectories, settings, edits)
    if same := find(workspace, trajectories, settings, edits):
        say(f"{same.id} was made with the same settings; give another --name to make it again")
        return same
    if settings.extend:
        return extend.seal(workspace, trajectories, settings, edits)
    began = time.monotonic()
    result, out = compute(trajectories, settings, edits)
    facts = {"excluded": out, "cluster_seconds": round(time.monotonic() - began, 4)}
    named = names(trajectories, result.labels)
    return write(workspace, trajectories, settings, edits, result, named, facts)


def resolved(trajectories: Artifact, settings: Settings, edits: Edits) -> Settings:
    """Return the settings with a number for K; of an extension, with those of what it extends.

    Raises:
        InputError: the trajectories are no extension of the clustered ones.
    """
    if settings.extend:
        return extend.resolved(trajectories, settings)
    if settings.k != "auto":
        return settings
    out = excluded(trajectories, edits)
    measured = int((load_flags(trajectories)["flag"] == "").sum()) - len(out)
    return dataclasses.replace(settings, k=auto_k(measured))


def compute(trajectories: Artifact, settings: Settings, edits: Edits) -> tuple[Clustering, int]:
    """Cluster as settings with a number for K say; return also the rows left out as excluded.

    Raises:
        InputError: K is larger than the number of usable rows.
    """
    losses, ids = np.asarray(load_losses(trajectories)), load_flags(trajectories)["id"]
    out = excluded(trajectories, edits)
    if len(out):
        losses = losses.copy()
        losses[out] = np.nan  # as if not measurable
    result = cluster(
        losses,
        ids.to_numpy(),
        int(settings.k),
        settings.features,
        include_start=from_start(trajectories, settings.include_start),
        seed=settings.seed,
    )
    return result, len(out)
