"""A page that lacks what it works on names the first missing step and leads there."""

from __future__ import annotations

from typing import Literal, NamedTuple

import streamlit as st

from core import demo, jobs
from core.nouns import DURATION
from core.workspace.artifact import Kind
from dashboard.frame import job_card, state


class Missing(NamedTuple):
    """A step of the pipeline that is missing."""

    words: str
    button: str
    icon: str


STEPS: dict[Kind, Missing] = {
    "dataset": Missing("There is no dataset yet.", "Import a dataset", "table_rows"),
    "trajectories": Missing("No proxy was trained on it yet.", "Train a proxy", "show_chart"),
    "clusters": Missing("No clustering was kept yet.", "See the clusters", "bubble_chart"),
    "selection": Missing("No selection was saved yet.", "Set a budget", "filter_alt"),
}
"""Kind -> what leads to it; each needs those before it, and its page is called as it is."""


def draw(text: str, needs: Kind) -> None:
    """Say what a page is for and offer the first step it lacks; on empty ground the demo, too.

    Args:
        text: What the page is for, a sentence.
        needs: Kind of the artifact that the page begins with.
    """
    kind = next((k for k in STEPS if not state.sealed(k)), needs)
    if list(STEPS).index(kind) > list(STEPS).index(needs):
        kind = needs  # it is there, and cannot be used
    step = STEPS[kind]
    with box(step.icon, f"{text} {step.words}"):
        running = demo_runs()
        if not running and st.button(step.button, type="primary"):
            state.go(kind)
        if kind == "dataset":
            offer_demo(primary=running)


def box(icon: str, text: str) -> st.delta_generator.DeltaGenerator:
    """Draw the frame of an empty page, and return the place of its buttons."""
    with st.container(border=True, horizontal_alignment="center"):
        st.space("medium")
        st.markdown(f"### :material/{icon}:", text_alignment="center", width="stretch")
        st.markdown(text, text_alignment="center", width="stretch")
        buttons = st.container(horizontal=True, horizontal_alignment="center")
        st.space("medium")
    return buttons


def demo_runs() -> bool:
    """Return whether the embedded demo is running."""
    job = jobs.newest(state.workspace(), "demo")
    return job is not None and job.state in jobs.ACTIVE


def start_demo() -> None:
    """Launch the embedded demo as a job."""
    job_card.launch("demo", demo.Settings(), "Embedded demo", "demo")


def offer_demo(*, primary: bool = False) -> None:
    """Offer the demo, which is followed on the overview, or the way to it while it runs."""
    look: Literal["primary", "secondary"] = "primary" if primary else "secondary"
    if demo_runs():
        if st.button("See the demo run", type=look):
            state.go("overview")
    elif st.button(
        "Run the demo", type=look, icon=":material/play_arrow:", help=f"It takes {DURATION}"
    ):
        start_demo()
        state.go("overview")
