"""What a clustering is on the disk, and how it is sealed."""

from __future__ import annotations

import dataclasses
from typing import Any, NotRequired

import numpy as np
import pandas as pd

from core.arrays import Ints, Labels, Losses, write_array
from core.clusters.kmeans import Clustering
from core.clusters.settings import FIRST, Settings
from core.clusters.statistics import describe, quantiles
from core.edits.log import Numbered, replay
from core.edits.state import Edits
from core.jobs.progress import say
from core.settings import from_config, identity, to_config
from core.trajectories.artifact import load_flags, load_losses, load_steps, why_left_out
from core.workspace.artifact import EXTENDS, Artifact, Entry
from core.workspace.files import fingerprint
from core.workspace.store import Workspace

LABELS, CENTROIDS = "labels.npy", "centroids.npy"
TABLE, QUANTILES = "table.parquet", "quantiles.parquet"


class ClustersSummary(Numbered):
    """What the manifest of a clustering says; more of one that carries an earlier one on."""

    clusters: int
    """That have rows."""
    rows: int
    """Of the dataset."""
    clustered: int
    left_out: int
    inertia: float
    smallest: int
    """Rows of the smallest cluster."""
    largest: int
    excluded: NotRequired[int]
    """Measured rows that people excluded; early clusterings knew of none."""
    cluster_seconds: NotRequired[float]
    new_rows: NotRequired[int]
    far_rows: NotRequired[int]
    """New rows farther from every centre than nearly all the old ones."""
    drift: NotRequired[float]
    """Far rows over new rows, 0 to 1."""
    reference_distance: NotRequired[float]
    """From which on a row is far; taken over from what was carried on."""


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
    same = key(settings, edits or edits_of(trajectories, settings))
    for entry in workspace.recent("clusters"):
        named = entry.state == "sealed" and settings.name in ("", entry.name)
        ours = named and entry.parents.get("trajectories") == trajectories.id
        if ours and (entry.fingerprint or _key_of_then(trajectories, entry)) == same:
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
        settings: With the number of clusters as `k`.
        names: Of the clusters, by number.
        facts: What else the summary holds.
    """
    losses, flags = np.asarray(load_losses(trajectories)), load_flags(trajectories)
    table = describe(result.labels, losses, flags)
    table["name"] = [names[c] for c in table["cluster"]]
    title = "extended" if settings.extend else f"K={settings.k}"
    if settings.features != "raw":
        title += f" {settings.features}"
    draft = workspace.draft(
        "clusters",
        name=settings.name or f"{trajectories.name} · {title}",
        config=to_config(settings),
        parents={"trajectories": trajectories.id}
        | ({EXTENDS: settings.extend} if settings.extend else {}),
        fingerprint=key(settings, edits),
    )
    write_array(draft.path / LABELS, result.labels)
    write_array(draft.path / CENTROIDS, result.centroids)
    quantiles(losses, result.labels, load_steps(trajectories)).to_parquet(draft.path / QUANTILES)
    table.to_parquet(draft.path / TABLE)
    left_out = int((result.labels < 0).sum())
    why = why_left_out(load_flags(trajectories), result.labels < 0)
    say(
        f"{len(table)} clusters of {len(losses) - left_out:,} rows"
        f"{why and f' (in none: {why})'}, sizes {table['size'].min():,} to {table['size'].max():,}"
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


def load_labels(clusters: Artifact) -> Labels:
    """Return every row's cluster (n_rows,), -1 where it has none."""
    return np.load(clusters.path / LABELS)  # type: ignore[no-any-return]


def load_centroids(clusters: Artifact) -> Losses:
    """Return the centres in feature space (n_clusters, n_features)."""
    return np.load(clusters.path / CENTROIDS)  # type: ignore[no-any-return]


def load_table(clusters: Artifact, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a line a cluster: cluster, size, name and what else describes it."""
    return pd.read_parquet(clusters.path / TABLE, columns=columns)


def load_quantiles(clusters: Artifact) -> pd.DataFrame:
    """Read a line a cluster and recording: the quantiles of its losses."""
    return pd.read_parquet(clusters.path / QUANTILES)
