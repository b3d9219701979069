"""The controls of a clustering: which clusters of what, shown at once, kept on demand."""

from __future__ import annotations

import dataclasses

import streamlit as st

from core import clusters
from core.clusters import kmeans
from core.trajectories import features as statistics
from core.workspace.artifact import EXTENDS, Artifact
from dashboard.clusters import new_rows, preview
from dashboard.clusters.preview import ClustersPreview
from dashboard.escape import plain
from dashboard.frame import data, job_card, state

COMPARED = {
    "raw": "Losses (the paper)",
    "centred": "Shape",
    "diff": "Changes",
    "zscore": "Shape, scaled",
}
"""What rows are compared by, in plain words; the setting keeps its short name."""
AT_ONCE = 300_000
"""Rows up to which every change of a setting clusters again; above, a button does."""


def opened(artifact: Artifact) -> Artifact | None:
    """Return the kept clustering the page starts with: the address's, else the newest."""
    if st.query_params.get("clusters"):
        return state.current("clusters", artifact)
    if st.session_state.get("clusters:for", ("", ""))[0] == artifact.id:
        return None
    for entry in state.sealed("clusters"):  # a first visit
        if entry.parents.get("trajectories") == artifact.id:
            return state.workspace().open(entry.id)
    return None


def panel(artifact: Artifact, kept: Artifact | None) -> tuple[clusters.Settings, Artifact | None]:
    """Ask for the settings; offer to keep what is shown, or the next step if it is kept.

    Returns:
        The settings, and the kept clustering that they give, if there is one.
    """
    if kept is not None and EXTENDS in kept.parents:
        return new_rows.placed(kept), kept
    settings = controls(artifact, kept)
    kept = clusters.find(state.workspace(), artifact, settings)
    if kept is not None:
        st.caption(f":material/check_circle: Kept as {plain(kept.name)}")
        new_rows.go_on(kept)
    else:
        st.caption("A preview: nothing is saved yet.")
        st.button(
            "Keep this clustering",
            type="primary",
            width="stretch",
            on_click=keep,
            args=(artifact, settings),
        )
    job_card.command("clusters", settings)
    new_rows.place_form(artifact)
    return settings, kept


def controls(artifact: Artifact, kept: Artifact | None) -> clusters.Settings:
    """Ask for K and features; a link to a kept clustering starts with its values."""
    usable = int((data.flags(artifact.id)["flag"] == "").sum())
    config = kept.config if kept is not None else {}
    auto = kmeans.auto_k(usable)
    start = int(config.get("k", auto))
    before = st.session_state.get("clusters:for", ("", ""))
    now = (artifact.id, kept.id if kept else before[1] if before[0] == artifact.id else "")
    if before != now:
        st.session_state["clusters:for"] = now
        st.session_state["clusters:k"] = start
        st.session_state["clusters:features"] = config.get("features", "raw")
        st.session_state["clusters:start"] = bool(config.get("include_start", False))
        st.session_state["clusters:seed"] = int(config.get("seed", 0))
        st.session_state["clusters:without"] = int(config.get("without", 0)) > 0
        st.session_state["clusters:position"] = int(config.get("without", 0))
    top = max(min(300, usable), start)
    k = st.slider("Clusters (K)", 1, top, key="clusters:k", persist_state="session")
    features = st.selectbox(
        "Compare rows by",
        list(statistics.FEATURES),
        format_func=COMPARED.__getitem__,
        key="clusters:features",
        persist_state="session",
        help="Losses as they are (raw), without how high they lie (centred), without how far they "
        "fall either (zscore), or their changes between recordings (diff)",
    )
    with st.expander("More settings", icon=":material/tune:"):
        begin = st.toggle(
            "Use step 0 too",
            key="clusters:start",
            persist_state="session",
            help="Also compare the losses before training",
        )
        seed = st.number_input("Seed", 0, key="clusters:seed", persist_state="session")
        without = _without(artifact)
    st.caption(f"Automatic: {auto:,} clusters, for a budget of 11% of {usable:,} rows")
    return clusters.Settings(
        trajectories=artifact.id,
        k=int(k),
        features=features or "raw",
        include_start=begin,
        seed=int(seed or 0),
        without=without,
    )


def _without(artifact: Artifact) -> int:
    """Ask whether the excluded rows are left out, and return the place in the log that is meant."""
    edited = data.edits(artifact.ancestor("dataset").id)
    at = st.session_state.get("clusters:position") or edited.rows_at
    leave_out = st.toggle(
        "Cluster without the excluded rows",
        key="clusters:without",
        persist_state="session",
        disabled=not edited.rows_at,
        on_change=_forget_position,
        help=f"{len(edited.excluded):,} rows are excluded. Selections leave them out in any case",
    )
    if leave_out and edited.rows_at > at:
        st.button("Leave out those excluded since", on_click=_forget_position)
    st.session_state["clusters:position"] = at if leave_out else 0
    return at if leave_out else 0


def _forget_position() -> None:
    st.session_state["clusters:position"] = 0


def keep(artifact: Artifact, settings: clusters.Settings) -> None:
    """Seal the clustering that is shown, unless somebody did meanwhile."""
    made = clusters.seal(state.workspace(), artifact, settings)
    st.query_params["clusters"] = made.id
    st.session_state["clusters:for"] = (artifact.id, made.id)


def shown(
    artifact: Artifact, settings: clusters.Settings, kept: Artifact | None
) -> ClustersPreview:
    """Return the clustering to draw: the kept one, a preview, or of large data the last preview."""
    if kept is not None:
        return preview.kept(kept.id)
    unnamed = dataclasses.replace(settings, name="")
    last = st.session_state.get("clusters:last")
    large = len(data.flags(artifact.id)) > AT_ONCE
    if large and last is not None and last != unnamed and last.trajectories == artifact.id:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.markdown(
                f":material/history: Settings changed. The picture shows K = {plain(last.k)}, "
                f"{COMPARED[last.features].lower()}."
            )
            if not st.button("Cluster again", icon=":material/refresh:"):
                return preview.preview(last)
    with st.spinner("Clustering…", show_time=True):
        made = preview.preview(unnamed)
    st.session_state["clusters:last"] = unnamed
    return made


def choose(made: ClustersPreview) -> int | None:
    """Ask which cluster to read."""
    names = dict(zip(made.table["cluster"], made.table["name"], strict=True))
    sizes = dict(zip(made.table["cluster"], made.table["size"], strict=True))
    if st.session_state.get("clusters:cluster") not in sizes:
        st.session_state["clusters:cluster"] = None
    chosen = st.selectbox(
        "Read a cluster",
        sorted(sizes, key=lambda c: -sizes[c]),
        index=None,
        format_func=lambda c: f"{c} · {sizes[c]:,} rows · {names[c]}",
        key="clusters:cluster",
        on_change=_forget_area,
        placeholder="Choose a cluster",
    )
    return None if chosen is None else int(chosen)


def _forget_area() -> None:
    st.session_state["clusters:area"] = st.session_state["clusters:finding"] = None
    st.session_state["clusters:page"] = 1
