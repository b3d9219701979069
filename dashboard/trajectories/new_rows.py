"""Next week's data on the pages: score its new rows, place them on kept clusters, top up."""

from __future__ import annotations

import streamlit as st

from core import trajectories
from core.trajectories.artifact import TrajectoriesSummary
from core.workspace.artifact import Artifact
from dashboard.escape import plain
from dashboard.frame import job_card, state

KEEPS = "train a proxy with Keep checkpoints on, under More settings"


def extend_form(artifact: Artifact, busy: bool) -> None:
    """Choose another dataset and score, as a job, the rows of it that were not measured."""
    lineage = artifact.extended()
    if len(lineage) > 1:
        s = artifact.summary_as(TrajectoriesSummary)
        st.caption(
            f"These extend {plain(lineage[1].name)}: {s['carried']:,} rows keep their "
            f"losses, {s['new']:,} were scored on its checkpoints. The proxy was not trained on "
            "those: what it knows by heart of the old rows, it does not know of them."
        )
    if not lineage[-1].config.get("keep_checkpoints"):
        st.caption(
            f"New rows are scored on the checkpoints of the proxy. These were not kept: {KEEPS}."
        )
        return
    own = artifact.parents["dataset"]
    names = state.distinct({e.id: e.name for e in state.sealed("dataset") if e.id != own})
    if not names:
        st.caption("Import the new data first: the old rows and the new ones, or these alone.")
        return
    chosen = st.selectbox(
        "New data", list(names), format_func=names.__getitem__, key="extend:dataset"
    )
    st.caption(
        f"Rows that were measured keep their losses; only the others are scored, on the "
        f"{artifact.summary_as(TrajectoriesSummary)['checkpoints']:,} checkpoints kept."
    )
    settings = trajectories.Settings(dataset=chosen, extend=artifact.id)
    st.button(
        "Score the new rows",
        width="stretch",
        disabled=busy,
        on_click=_start,
        args=(settings, names[chosen]),
    )
    job_card.command("trajectories", settings)


def _start(settings: trajectories.Settings, name: str) -> None:
    """Start the job, and turn the page to the new data, where its result will stand."""
    job_card.launch("trajectories", settings, f"New rows of {name}", "trajectories")
    st.query_params["dataset"] = settings.dataset
    st.query_params.pop("trajectories", None)
