"""Clusters of rows that came later."""

from __future__ import annotations

import streamlit as st

from core import clusters
from core.clusters import extend
from core.clusters.artifact import ClustersSummary
from core.workspace.artifact import Artifact
from dashboard.escape import plain
from dashboard.frame import job_card, state


def place_form(artifact: Artifact) -> None:
    """Offer to keep the clusters of what these trajectories extend, new rows placed on them."""
    before = [t.id for t in artifact.extended()[1:]]
    names = state.distinct(
        {e.id: e.name for e in state.sealed("clusters") if e.parents.get("trajectories") in before}
    )
    if not names:
        return
    st.divider()
    chosen = st.selectbox(
        "Or keep earlier clusters",
        list(names),
        format_func=names.__getitem__,
        key="extend:clusters",
        help="Old rows keep their cluster; each new row goes to the nearest centre",
    )
    st.button(
        "Place the new rows on them", width="stretch", on_click=_place, args=(artifact, chosen)
    )


def _place(artifact: Artifact, earlier: str) -> None:
    """Seal the extended clustering, unless somebody did meanwhile."""
    settings = clusters.Settings(trajectories=artifact.id, extend=earlier)
    st.query_params["clusters"] = clusters.seal(state.workspace(), artifact, settings).id


def go_on(kept: Artifact) -> None:
    """Lead from a kept clustering to its selection."""
    if st.button(
        "Choose a budget",
        type="primary",
        width="stretch",
        icon=":material/arrow_forward:",
        icon_position="right",
    ):
        state.go("selection", clusters=kept.id)


def placed(kept: Artifact) -> clusters.Settings:
    """Say what an extended clustering is and how well it fits; return what it was made with."""
    earlier = kept.extended()[1]
    st.caption(f":material/check_circle: Kept as {plain(kept.name)}")
    st.markdown(
        f"The clusters of **{plain(earlier.name)}**, with new rows at their nearest centre."
    )
    summary = kept.summary_as(ClustersSummary)
    show = st.success if summary["drift"] <= extend.LIMIT else st.warning
    show(f"{extend.verdict(summary)}.", icon=":material/moving:")
    st.caption("Of rows just like the old, 1% would lie that far.")
    go_on(kept)
    st.button("Cluster all rows again", width="stretch", on_click=_again, args=(kept,))
    paths = kept.parents["trajectories"]
    job_card.command("clusters", clusters.Settings(trajectories=paths, extend=earlier.id))
    return clusters.Settings(**{**kept.config, "extend": ""})


def _again(kept: Artifact) -> None:
    """Show the controls of a new clustering, as the extended one was made."""
    st.query_params.pop("clusters", None)
    st.session_state["clusters:for"] = (kept.parents["trajectories"], "")
    names = {"k": "k", "features": "features", "start": "include_start", "seed": "seed"}
    for widget, name in names.items():
        st.session_state[f"clusters:{widget}"] = kept.config[name]
