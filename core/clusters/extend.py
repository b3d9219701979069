"""New rows on the clusters of the old: each to its nearest centre, and whether they still fit.

Rows that the old clustering has keep their cluster exactly, and clusters keep their numbers.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.arrays import Labels, Losses
from core.clusters.artifact import (
    ClustersSummary,
    excluded,
    load_centroids,
    load_labels,
    load_table,
    write,
)
from core.clusters.kmeans import Clustering
from core.clusters.settings import Settings
from core.edits.state import Edits
from core.errors import InputError
from core.jobs.progress import say
from core.settings import conflicting_flags
from core.trajectories.artifact import from_start, load_flags, load_losses
from core.trajectories.features import features
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

FAR = 0.99
"""Share of the clustered rows within the distance beyond which a new row counts as far."""
LIMIT = 0.05
"""Share of far rows from which the clusters no longer fit; of rows like the old it is 0.01."""
OWN = ("trajectories", "extend", "without", "map", "name")
"""The settings that are not those of the clustering that is extended."""


def resolved(trajectories: Artifact, settings: Settings) -> Settings:
    """Return the settings with those of the clustering that is extended.

    Raises:
        InputError: the trajectories are no extension of the clustered ones.
    """
    old = trajectories.open(settings.extend, "clusters")
    clustered = old.ancestor("trajectories")
    if clustered.id not in [t.id for t in trajectories.extended()[1:]]:
        raise InputError(
            f"{trajectories.id} does not extend {clustered.id}, which {old.id} is a clustering of; "
            "make it by trajectories --extend, or cluster it without --extend"
        )
    if given := conflicting_flags(settings, old.config, OWN):
        raise InputError(f"--extend has the settings of {old.id}; leave {', '.join(given)} away")
    config = {**old.config, **{name: getattr(settings, name) for name in OWN}}
    return dataclasses.replace(settings, **config)


def seal(
    workspace: Workspace, trajectories: Artifact, settings: Settings, edits: Edits
) -> Artifact:
    """Extend a clustering to trajectories that extend those it was made from, and keep it.

    Args:
        trajectories: What the new clustering is of.
        settings: As `resolved` gives them.
    """
    old = trajectories.open(settings.extend, "clusters")
    clustered = old.ancestor("trajectories")
    begin = from_start(clustered, settings.include_start)
    centroids = load_centroids(old)
    out = excluded(trajectories, edits)
    x = comparable(trajectories, settings.features, begin)
    x[out] = np.nan
    labels, distance = nearest(x, centroids)
    was = load_labels(old)
    kept = carried(clustered, was, trajectories)
    kept[out] = -1
    new = (labels >= 0) & (kept < 0)
    labels = np.where(kept >= 0, kept, labels)
    reference = old.summary_as(ClustersSummary).get(
        "reference_distance"
    )  # of the rows that the centres were fitted on
    if reference is None:
        fitted = nearest(comparable(clustered, settings.features, begin), centroids)[1]
        reference = float(np.quantile(fitted[was >= 0], FAR))
    far = int((distance[new] > reference).sum())
    facts = {
        "excluded": len(out),
        "new_rows": int(new.sum()),
        "far_rows": far,
        "drift": far / max(1, int(new.sum())),
        "reference_distance": reference,
    }
    used = labels >= 0
    inertia = float(((x[used] - centroids[labels[used]]) ** 2).sum())
    result = Clustering(labels, centroids, inertia)
    table = load_table(old.extended()[-1])
    made = write(workspace, trajectories, settings, edits, result, table["name"].tolist(), facts)
    say(verdict(made.summary_as(ClustersSummary)))
    return made


def comparable(trajectories: Artifact, kind: str, include_start: bool) -> Losses:
    """Return every row's features (n_rows, n_features); NaN where not all losses are finite."""
    losses = np.array(load_losses(trajectories))
    losses[~np.isfinite(losses).all(1)] = np.nan
    return features(losses, kind, include_start=include_start)


def nearest(x: Losses, centroids: Losses) -> tuple[Labels, npt.NDArray[np.float64]]:
    """Return each row's nearest centre and its distance to it; -1 and NaN where not finite.

    Args:
        x: Features (n_rows, n_features).
        centroids: (n_clusters, n_features).
    """
    from sklearn.metrics import pairwise_distances_argmin_min

    usable = np.flatnonzero(np.isfinite(x).all(1))
    labels, distance = np.full(len(x), -1, np.int32), np.full(len(x), np.nan)
    if len(usable):
        labels[usable], distance[usable] = pairwise_distances_argmin_min(
            x[usable].astype(np.float64), centroids.astype(np.float64)
        )
    return labels, distance


def carried(old: Artifact, labels: Labels, trajectories: Artifact) -> Labels:
    """Return the old cluster of every row that has its old losses, -1 of the others (n_rows,)."""
    place = pd.Index(load_flags(old)["id"]).get_indexer(load_flags(trajectories)["id"])
    same = (load_losses(old)[place] == load_losses(trajectories)).all(1) & (place >= 0)
    return np.where(same, labels[place], -1).astype(np.int32)


def verdict(summary: ClustersSummary) -> str:
    """Say whether the clusters fit the new rows."""
    far, new = summary["far_rows"], summary["new_rows"]
    fits = "the clusters fit" if summary["drift"] <= LIMIT else "cluster again"
    return (
        f"{far:,} of {new:,} new rows ({100 * summary['drift']:.1f}%) lie farther from every "
        f"centre than {FAR:.0%} of the old: {fits}"
    )
