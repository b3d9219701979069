"""The tab "Which K"."""

from __future__ import annotations

import streamlit as st

from core import clusters
from core.review import k_sweep
from core.workspace.artifact import Artifact
from dashboard.charts import k_sweep as k_sweep_charts
from dashboard.escape import plain
from dashboard.frame import data
from dashboard.frame.data import CLUSTERING


def which_k(artifact: Artifact, settings: clusters.Settings) -> None:
    """Compare cluster counts by what they would select, on demand: it takes a while."""
    key = (artifact.id, settings.features, settings.include_start)
    st.caption(
        "The number of clusters matters only as far as it changes what is selected. This clusters "
        f"at several K and seeds, on at most {k_sweep.SAMPLE:,} rows."
    )
    if st.session_state.get("sweep:for") != key:
        if st.button("Compare cluster counts (under a minute)", icon=":material/query_stats:"):
            st.session_state["sweep:for"] = key
            st.rerun()
        return
    with st.spinner("Clustering at several K…", show_time=True):
        sweep = compared(*key)
    st.markdown(f"**{plain(k_sweep.verdict(sweep))}**")
    st.plotly_chart(
        k_sweep_charts.sweep_curves(sweep.table, int(settings.k)),
        alt="Quality of the clustering by the number of clusters",
    )
    st.markdown("How much of the selection stays with another K; on the diagonal, another seed")
    st.plotly_chart(
        k_sweep_charts.sweep_agreement(k_sweep.by_k(sweep.agreement)),
        alt="Agreement of the clustering with one of another seed, by the number of clusters",
    )
    st.caption(
        "Agreement of the rows' chances of being selected at a budget of 11% (weighted Jaccard). A "
        f"plain random draw agrees {sweep.table['random'].mean():.2f} with them."
    )


@st.cache_resource(max_entries=6, show_spinner=False)
def compared(id: str, features: str, include_start: bool) -> k_sweep.Sweep:
    """Return the comparison of cluster counts of a trajectories artifact."""
    frame = data.flags(id)
    with CLUSTERING:
        return k_sweep.sweep(
            data.losses(id),
            frame["id"].to_numpy(),
            k_sweep.choices(int((frame["flag"] == "").sum())),
            list(k_sweep.SEEDS),
            features,
            include_start=include_start or data.steps(id)[0] > 0,
        )
