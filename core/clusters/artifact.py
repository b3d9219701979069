"""What a clustering is on the disk, and how it is sealed."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from core.arrays import Ints
from core.clusters.kmeans import Clustering
from core.clusters.settings import FIRST, Settings
from core.clusters.statistics import describe, quantiles
from core.edits.log import replay
from core.edits.state import Edits
from core.jobs.progress import say
from core.settings import from_config, identity, to_config
from core.trajectories.artifact import load_flags, load_losses, load_steps
from core.workspace.artifact import EXTENDS, Artifact, Entry
from core.workspace.files import fingerprint
from core.workspace.store import Workspace


def edits_of(trajectories: Artifact, settings: Settings) -> Edits:
    """Replay the edits that a clustering honours: the first `without` of its dataset's log."""
    return replay(trajectories.ancestor("dataset"), settings.without)


def excluded(trajectories: Artifact, edits: Edits) -> Ints:
    """Return the measured rows that are excluded by these edits."""
    rows = edits.excluded
    measured = (load_flags(trajectories)["flag"] == "").to_numpy()
    return rows[measured[rows]]


def key(settings: Settings, edits: Edits) -> str:
    """Return the fingerprint of the clustering that settings with a number for K give.

    Neither a note nor an edit that was undone makes another, as for selections.
    """
    settings = dataclasses.replace(settings, without=edits.rows_at)
    return fingerprint("clusters", identity(settings, first=FIRST))


def find(
    workspace: Workspace, trajectories: Artifact, settings: Settings, edits: Edits | None = None
) -> Artifact | None:
    """Return the newest kept clustering of trajectories by these settings (and name, if given).

    One from before clusters had fingerprints is known by its config.
    """
    wanted = key(settings, edits or edits_of(trajectories, settings))
    for entry in workspace.recent("clusters"):
        named = entry.state == "sealed" and settings.name in ("", entry.name)
        ours = named and entry.parents.get("trajectories") == trajectories.id
        if ours and (entry.fingerprint or _key_of_then(trajectories, entry)) == wanted:
            return trajectories.open(entry.id)
    return None


def _key_of_then(trajectories: Artifact, entry: Entry) -> str:
    settings = from_config(Settings, entry.config)
    return key(settings, edits_of(trajectories, settings))


def write(
    workspace: Workspace,
    trajectories: Artifact,
    settings: Settings,
    edits: Edits,
    result: Clustering,
    names: list[str],
    facts: dict[str, Any] | None = None,
) -> Artifact:
    """Describe a clustering and seal it.

    Args:
        workspace: Where.
        trajectories: What was clustered.
        settings: With the number of clusters as `k`.
        edits: That were honoured.
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
        fingerprint=key(settings, edits),
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
