"""When to use S2L: one sentence from the data's own numbers, its reasons, and rows to read."""

from __future__ import annotations

import streamlit as st

from core.dataset.privacy import is_private
from core.selection.advice import Advice, advise, facts_of
from core.workspace.artifact import Artifact
from dashboard.escape import plain
from dashboard.frame import data, state


def panel(dataset: Artifact, trajectories: Artifact | None = None) -> None:
    """Show what the data says about selecting from it."""
    advice = _found(dataset.id, trajectories.id if trajectories is not None else "")
    with st.expander(f"When to use S2L: {plain(advice.sentence)}", icon=":material/rule:"):
        for reason in advice.reasons:
            st.markdown(f"- {plain(reason.sentence)} See {plain(reason.link)}.")
        if not advice.reasons:
            st.markdown("Its rows neither repeat themselves nor name a source.")
        if trajectories is None:
            st.caption("Wrong answers can be suspected once a proxy is trained.")
        if len(advice.examples) and not is_private(dataset):
            st.caption("The hardest beside texts of their kind:")
            columns = "row, prompt, response"
            rows = data.examples(dataset.id, advice.examples, columns)
            st.dataframe(rows, hide_index=True)
        st.caption(
            "Rules from experiments with small models on generated data: which comparison is worth "
            "running first, not which arm wins."
        )


@st.cache_resource(max_entries=6, show_spinner="Looking at the data")
def _found(dataset: str, trajectories: str) -> Advice:
    workspace = state.workspace()
    recorded = workspace.open(trajectories, "trajectories") if trajectories else None
    return advise(facts_of(workspace.open(dataset, "dataset"), recorded))
