"""A clustering as settings give it, computed here and sealed only when kept."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core import clusters
from core.clusters import kmeans, statistics
from core.clusters.artifact import (
    ClustersSummary,
    load_centroids,
    load_labels,
    load_quantiles,
    load_table,
)
from core.edits.state import Edits
from core.settings import to_config
from core.workspace.artifact import Artifact
from core.workspace.files import fingerprint
from dashboard.escape import LABEL_LENGTH
from dashboard.frame import state
from dashboard.frame.data import CLUSTERING, flags, losses, steps


class ClustersPreview(NamedTuple):
    """A clustering, kept or not, ready to draw."""

    key: str
    """Equal for equal clusterings."""
    labels: npt.NDArray[np.int32]
    centroids: npt.NDArray[np.float32]
    table: pd.DataFrame
    quantiles: pd.DataFrame
    inertia: float

    @property
    def k(self) -> int:
        """The clusters there are numbers for; an extended clustering may have empty ones."""
        return int(self.table["cluster"].max()) + 1


@st.cache_resource(max_entries=12, show_spinner=False)
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
    table["name"] = distinct(clusters.names(artifact, made.labels), table["final_loss"].tolist())
    quantiles = statistics.quantiles(losses(artifact.id), made.labels, np.array(steps(artifact.id)))
    return ClustersPreview(key, made.labels, made.centroids, table, quantiles, made.inertia)


@st.cache_resource(max_entries=6, show_spinner=False)
def kept(clusters_id: str) -> ClustersPreview:
    """Return a kept clustering as it was sealed."""
    made = state.workspace().open(clusters_id, "clusters")
    return ClustersPreview(
        clusters_id,
        load_labels(made),
        load_centroids(made),
        _distinct(load_table(made)),
        load_quantiles(made),
        made.summary_as(ClustersSummary)["inertia"],
    )


def _distinct(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(name=distinct(table["name"].tolist(), table["final_loss"].tolist()))


def distinct(names: Sequence[str], final_loss: Sequence[float]) -> list[str]:
    """Tell clusters of the same words, or of none, apart by how well they were learned.

    Names that stand once stay; the others lose their last words for the mean final loss, and where
    that is equal too they get a number.

    Args:
        final_loss: Mean of each, nats per response token.
    """
    alike = collections.Counter(names)
    out = []
    for name, loss in zip(names, final_loss, strict=True):
        if alike[name] > 1 or not name:
            words, measured = name.split(" · ")[:2], f"loss {loss:.2f}"
            while len(" · ".join([*words, measured])) > LABEL_LENGTH - 4:
                words.pop()
            name = " · ".join(word for word in [*words, measured] if word)
        out.append(name)
    counts, seen = collections.Counter(out), collections.Counter[str]()
    for place, name in enumerate(out):
        if counts[name] > 1:
            seen[name] += 1
            out[place] = f"{name} · {seen[name]}"
    return out


def named(made: ClustersPreview, kept: Artifact | None, edited: Edits) -> ClustersPreview:
    """Return a clustering with the names that people gave its clusters instead of keywords."""
    given = edited.names.get(kept.id, {}) if kept is not None else {}
    if not given:
        return made
    names = made.table["cluster"].map(given)
    table = made.table.assign(name=names.where(names.notna(), made.table["name"]))
    return made._replace(table=table, key=f"{made.key}:{edited.position}")
