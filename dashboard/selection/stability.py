"""The tab "Stability"."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.review import stability
from core.workspace.artifact import Artifact
from dashboard.charts import review as review_charts
from dashboard.escape import plain
from dashboard.frame import state
from dashboard.frame.data import CLUSTERING
from dashboard.selection import preview


def how_stable(clusters: Artifact, edited: int, share: float, seed: int) -> None:
    """Say, on demand, how much of the selection hangs on each switch."""
    st.caption(
        "Would another seed, K, feature or half of the recordings select the same rows? Eleven "
        "clusterings are compared: some seconds at 3,000 rows, half a minute at 15,000."
    )
    key = (clusters.id, edited, round(share, 6), seed)
    if st.session_state.get("stability:for") != key:
        if st.button("See how stable it is", icon=":material/balance:"):
            st.session_state["stability:for"] = key
            st.rerun()
        return
    with st.spinner("Clustering in eleven ways…", show_time=True):
        stability = stabilities(*key)
    st.markdown(f"**{plain(stability.headline())}**")
    st.plotly_chart(
        review_charts.stability_figure(stability.table, stability.switches, stability.chance),
        alt="Agreement of selections when one switch changes, beside chance",
    )
    where = (
        ""
        if stability.rows == stability.of
        else f", on a sample of {stability.rows:,} of {stability.of:,}"
    )
    st.caption(
        f"Agreement of the rows' chances of being selected (weighted Jaccard{where}); the dotted "
        "line is what a plain random draw has."
    )


@st.cache_resource(max_entries=6, show_spinner=False)
def stabilities(clusters: str, edited: int, share: float, seed: int) -> stability.Stability:
    """Return how stable the selection from a clustering is."""
    config = state.workspace().open(clusters).config
    pool = preview.pool(clusters, edited)
    pool = pool.take(np.flatnonzero(pool.labels >= 0))
    with CLUSTERING:
        return stability.stability(
            pool.losses,
            pool.ids,
            int(config["k"]),
            config["features"],
            include_start=pool.include_start,
            seed=int(config["seed"]),
            share=share,
            draw_seed=seed,
        )
