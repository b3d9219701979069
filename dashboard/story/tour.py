"""A guided tour: a box beside every page that says what to look at there, until it is stopped.

It begins only when its button is pressed, and is forgotten with the browser's tab.
"""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from dashboard.frame import state
from dashboard.story.project import Project

AT = "tour:at"
"""In the session: the stop that is shown; absent while there is no tour."""


class Stop(NamedTuple):
    """A page and the one sentence on it."""

    page: str
    title: str
    sentence: str


STOPS = (
    Stop("overview", "Overview", "The result first: kinds of examples, what is kept, how it did."),
    Stop("dataset", "Dataset", "What was imported, what was held out, and what the rows say."),
    Stop(
        "trajectories",
        "Trajectories",
        "A small model learned every row; the band shows how its losses fell.",
    ),
    Stop(
        "clusters",
        "Clusters",
        "A dot is a row. Draw round some dots and read below what they have in common.",
    ),
    Stop("selection", "Selection", "Move the budget and watch which rows of each kind are kept."),
    Stop("finetune", "Fine-tune", "The larger model learned only those rows; read its answers."),
    Stop(
        "study",
        "Study",
        "The same training on other rows: is the selection better than a random draw?",
    ),
)


def offer(project: Project) -> None:
    """Offer the tour where there is something to see at every stop."""
    study = project.study
    if study is None:
        return

    def begin() -> None:
        st.session_state[AT] = 0
        state.remember(study)

    st.button("Show me around", icon=":material/tour:", on_click=begin, key="tour:begin")


def draw() -> None:
    """Show the stop of the tour, if there is one under way."""
    at = st.session_state.get(AT)
    if at is None:
        return
    stop, last = STOPS[at], at == len(STOPS) - 1
    with st.container(border=True, key="tour", gap="small"):
        st.caption(f"Tour: {at + 1:,} of {len(STOPS):,}")
        st.markdown(f"**{stop.title}.** {stop.sentence}")
        with st.container(horizontal=True, gap="small"):
            if not last and st.button("Next", type="primary", key="tour:next"):
                st.session_state[AT] = at + 1
                state.go(STOPS[at + 1].page)
            st.button("Done" if last else "Stop", on_click=stopped, key="tour:stop")


def stopped() -> None:
    """End the tour; it does not come back by itself."""
    st.session_state.pop(AT, None)
