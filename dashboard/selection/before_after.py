"""The tab "Before and after"."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.arrays import Ints
from core.review import before_after, facets
from dashboard.charts import review as review_charts
from dashboard.charts import selection as selection_charts
from dashboard.escape import plain
from dashboard.frame import state
from dashboard.selection import preview
from dashboard.selection.preview import Allocated

DRAWS = 20


@st.cache_resource(max_entries=6, show_spinner=False)
def frame(clusters: str, edited: int) -> pd.DataFrame:
    """Return what is known of every row that can be selected."""
    offered = preview.pool(clusters, edited).rows
    known = facets.load(state.workspace().open(clusters), offered)
    return known[known["row"].isin(offered)].reset_index(drop=True)


def before(clusters: str, edited: int, made: Allocated) -> None:
    """Compare the selection with the pool and with random draws of its size."""
    compared_with = compared(clusters, edited, made.chosen, made.key)
    st.markdown(plain(compared_with.sentence()))
    st.plotly_chart(
        review_charts.facet_distances(
            compared_with.facets, compared_with.draws, compared_with.rows
        ),
        alt="Distance of the selection from the pool in each facet, beside random draws",
    )
    st.plotly_chart(
        review_charts.facet_panels(compared_with.facets, compared_with.shares),
        alt="Each facet in the pool, in random draws and in the selection",
    )
    st.caption(
        f"Grey: the pool. Bars: where {DRAWS} random draws of the same size lie. Dots: this "
        "selection. Distances are total variation for categories, Kolmogorov-Smirnov for numbers."
    )
    st.markdown("**Sources**")
    if len(made.sources) < 2:
        st.caption("There is one source: its share cannot change, so no picture is drawn.")
        return
    st.plotly_chart(
        selection_charts.share_change(made.sources),
        alt="Share of each source in the pool and in the selection",
    )
    st.caption("Share of each source in the pool and in the selection.")


@st.cache_resource(max_entries=12, show_spinner="Comparing with random draws")
def compared(clusters: str, edited: int, _chosen: Ints, key: str) -> before_after.BeforeAfter:
    """Return how far a selection is from the pool, beside random draws; `key` tells it apart."""
    return before_after.compare(frame(clusters, edited), _chosen, draws=DRAWS)
