"""The tab "Profile": what separates the clusters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.clusters import explained_by
from core.trajectories.row_scores import QUANTITIES
from core.workspace.artifact import Artifact
from dashboard.charts import profile as profile_charts
from dashboard.clusters import picked_rows
from dashboard.clusters.preview import ClustersPreview
from dashboard.frame import data

EXPLAINS = ("n_response", "source", "final_loss")
PROFILE = ("n_response", "n_tokens", "source", "first_loss", "final_loss", "drop")
TITLES = {name: quantity.title for name, quantity in QUANTITIES.items()}
UNITS = {quantity.title: quantity.unit for quantity in QUANTITIES.values()}
FULL = 50_000
"""Rows up to which everything is counted; above, a seeded sample of as many."""


def profile(
    artifact: Artifact, made: ClustersPreview, picked: picked_rows.Picked, chosen: int | None
) -> None:
    """Compare what is picked with all rows, and say what the clustering goes by."""
    everything = np.flatnonzero(made.labels >= 0)
    if picked.words:
        drawn = sample(everything)
        facts = data.flags(artifact.id).iloc[drawn][list(PROFILE)].rename(columns=TITLES)
        said = (
            ""
            if len(drawn) == len(everything)
            else (f"a random sample of {len(drawn):,} of {len(everything):,}")
        )
        inside = np.isin(drawn, picked.rows)
        if inside.any():
            st.plotly_chart(
                profile_charts.profile(facts, inside, UNITS, sampled=said),
                alt="What sets the rows apart from all others, quantity by quantity",
            )
        else:
            st.caption("None of the rows picked is clustered, or in the sample of all.")
    else:
        st.caption("Pick rows on the map to compare them with all.")
    st.markdown("**What separates the clusters?**")
    n = min(len(everything), explained_by.SAMPLE)
    whole = separates(artifact.id, made, made.key, None)
    st.plotly_chart(
        profile_charts.explained(whole, f"the clustering of {n:,} rows"),
        alt="How much of the clustering each quantity explains",
    )
    if chosen is not None:
        one = separates(artifact.id, made, made.key, chosen)
        st.plotly_chart(
            profile_charts.explained(one, f"cluster {chosen} against the rest"),
            alt="How much each quantity sets the cluster apart",
        )
    st.caption(
        "How much of the clustering (entropy of the labels) a row's response length, source or "
        "final loss tells alone, beyond chance. Near 100%: the clusters are little more than that."
    )


def sample(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return at most FULL of the rows, drawn with a fixed seed."""
    if len(rows) <= FULL:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, FULL, replace=False))


@st.cache_resource(max_entries=24, show_spinner=False)
def separates(id: str, _made: ClustersPreview, key: str, cluster: int | None) -> pd.DataFrame:
    """Return how much single facts explain of the clustering, or of one cluster."""
    facts = data.flags(id)[list(EXPLAINS)].rename(columns=TITLES)
    if cluster is None:
        return explained_by.explained(_made.labels, facts)
    return explained_by.explained_one(_made.labels, cluster, facts)
