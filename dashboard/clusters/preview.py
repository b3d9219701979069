"""A clustering as settings give it, computed here and sealed only when kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core import clusters
from core.clusters import how_learned, kmeans, statistics
from core.clusters.artifact import (
    ClustersSummary,
    load_centroids,
    load_labels,
    load_quantiles,
    load_table,
)
from core.clusters.distinct_names import distinct
from core.edits.state import Edits
from core.settings import to_config
from core.workspace.artifact import Artifact
from core.workspace.files import fingerprint
from dashboard.frame import state
from dashboard.frame.data import CLUSTERING, flags, losses, overview, steps


class ClustersPreview(NamedTuple):
    """A clustering, kept or not, ready to draw."""

    key: str
    """Equal for equal clusterings."""
    labels: npt.NDArray[np.int32]
    centroids: npt.NDArray[np.float32]
    table: pd.DataFrame
    """As `clusters.describe` gives it, with `name`, of no two the same, and `behaviour`."""
    quantiles: pd.DataFrame
    inertia: float

    @property
    def k(self) -> int:
        """The clusters there are numbers for; an extended clustering may have empty ones."""
        return int(self.table["cluster"].max()) + 1


@st.cache_resource(max_entries=6, show_spinner=False)
def preview(settings: clusters.Settings) -> ClustersPreview:
    """Cluster without keeping it."""
    artifact = state.workspace().open(settings.trajectories)
    with CLUSTERING:
        made = clusters.compute(artifact, settings, clusters.edits_of(artifact, settings))[0]
    return described(artifact, fingerprint(to_config(settings)), made)


def described(artifact: Artifact, key: str, made: kmeans.Clustering) -> ClustersPreview:
    """Return a clustering with what is shown of it."""
    frame = flags(artifact.id)
    table = statistics.describe(made.labels, losses(artifact.id), frame)
    table["name"] = clusters.names(artifact, made.labels)
    quantiles = statistics.quantiles(losses(artifact.id), made.labels, np.array(steps(artifact.id)))
    table = _told_apart(table, quantiles, artifact.id, made.labels)
    return ClustersPreview(key, made.labels, made.centroids, table, quantiles, made.inertia)


@st.cache_resource(max_entries=6, show_spinner=False)
def kept(clusters_id: str) -> ClustersPreview:
    """Return a kept clustering as it was sealed."""
    made = state.workspace().open(clusters_id, "clusters")
    labels, quantiles = load_labels(made), load_quantiles(made)
    recorded = made.ancestor("trajectories").id
    return ClustersPreview(
        clusters_id,
        labels,
        load_centroids(made),
        _told_apart(load_table(made), quantiles, recorded, labels),
        quantiles,
        made.summary_as(ClustersSummary)["inertia"],
    )


def _told_apart(
    table: pd.DataFrame, quantiles: pd.DataFrame, id: str, labels: npt.NDArray[np.int32]
) -> pd.DataFrame:
    """Return the table with how each cluster was learned, and no two names alike."""
    middle = flags(id)["n_response"][labels >= 0].quantile([0.25, 0.75]).tolist()
    behaviours = how_learned.behaviours(
        quantiles, table, overview(id)[0], (middle[0], middle[1]), start=steps(id)[0] == 0
    )
    names = distinct(table["name"].tolist(), behaviours, table["final_loss"].tolist())
    return table.assign(name=names, behaviour=behaviours)


def named(made: ClustersPreview, kept: Artifact | None, edited: Edits) -> ClustersPreview:
    """Return a clustering with the names that people gave its clusters instead of keywords."""
    given = edited.names.get(kept.id, {}) if kept is not None else {}
    if not given:
        return made
    names = made.table["cluster"].map(given)
    table = made.table.assign(name=names.where(names.notna(), made.table["name"]))
    return made._replace(table=table, key=f"{made.key}:{edited.position}")
