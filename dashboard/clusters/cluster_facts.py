"""What is known of each cluster, as the page's charts and tables need it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.clusters import distances as neighbours
from core.clusters.settings import Settings
from core.trajectories.row_scores import labels
from core.workspace.artifact import Artifact
from dashboard.clusters.preview import ClustersPreview
from dashboard.frame import data

SORTS = {"Size": "size"} | labels("final_loss", "drop", "forgetting")
STRANDS = 12


@st.cache_resource(max_entries=12, show_spinner=False)
def table(id: str, _made: ClustersPreview, key: str) -> pd.DataFrame:
    """Return the clusters' table with forgetting and the nearest other cluster."""
    frame = data.flags(id)
    used = _made.labels >= 0
    out = _made.table.copy()
    forgetting = frame["forgetting"][used].groupby(_made.labels[used]).mean()
    out["forgetting"] = out["cluster"].map(forgetting)
    near = neighbours.distances(_made.centroids).set_index("cluster").reindex(out["cluster"])
    out["neighbour"] = near["nearest"].to_numpy()
    out["distance"] = near["distance"].to_numpy()
    return out


@st.cache_resource(max_entries=12, show_spinner=False)
def strands(id: str, _made: ClustersPreview, key: str) -> dict[int, npt.NDArray[np.float32]]:
    """Return a few trajectories of each cluster."""
    values, rng = data.losses(id), np.random.default_rng(0)
    order = np.argsort(_made.labels, kind="stable")
    ends = np.searchsorted(_made.labels[order], range(_made.k + 1))
    out = {}
    for cluster in range(_made.k):
        members = order[ends[cluster] : ends[cluster + 1]]
        drawn = (
            members[np.sort(rng.integers(0, max(1, len(members)), STRANDS))]
            if len(members)
            else members
        )
        out[cluster] = np.asarray(values[np.unique(drawn)])
    return out


def compared_from(artifact: Artifact, settings: Settings) -> int:
    """Return the first recording that is compared: the untrained one would dwarf the others."""
    return int(data.steps(artifact.id)[0] == 0 and not settings.include_start)


def choose(cluster: int | None) -> None:
    """Make a cluster the one that is read; an area or a finding no longer is."""
    st.session_state["clusters:cluster"] = cluster
    st.session_state["clusters:area"] = st.session_state["clusters:finding"] = None
    st.session_state["clusters:page"] = 1


@st.cache_resource(max_entries=12, show_spinner=False)
def distances(id: str, _made: ClustersPreview, key: str) -> tuple[Any, Any]:
    """Return distances of pairs of rows inside clusters and across them."""
    return neighbours.pairs(data.losses(id), _made.labels, seed=0)
