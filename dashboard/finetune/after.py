"""After a fine-tune: talk to it, see what it improved, take it away."""

from __future__ import annotations

import streamlit as st

from core.workspace.artifact import Artifact
from dashboard.chat import panel
from dashboard.finetune import improved, take

VIEWS = {
    "Talk to it": panel.draw,
    "What it improved": improved.draw,
    "Take it away": take.draw,
}


def draw(made: Artifact) -> None:
    """Show one of the things that can be done with a finished fine-tune."""
    st.subheader("After the training", anchor=False)
    view = st.segmented_control(
        "After",
        list(VIEWS),
        default=next(iter(VIEWS)),
        key="finetune:after",
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    VIEWS[view or next(iter(VIEWS))](made)
