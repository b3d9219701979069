"""The home page of an empty workspace: what this is, and where it leads."""

from __future__ import annotations

import pathlib

import streamlit as st

from core import demo
from core.nouns import DURATION
from dashboard.frame import lacking, state
from dashboard.story import lineage

FINISHED = pathlib.Path(__file__).parent / "finished"
"""The strip of the home page after one run of `make demo`, light and dark."""


def draw() -> None:
    """Show the method, what a finished demo looks like, and the two ways to begin."""
    st.graphviz_chart(lineage.METHOD, width="stretch", alt="The method in six steps")
    begin, finished = st.columns([1, 2])
    with begin.container(border=True, height="stretch", vertical_alignment="center"):
        st.markdown("#### See it work on embedded data", width="stretch")
        st.markdown(demo.WHAT, width="stretch")
        st.caption(f"It takes {DURATION}.", width="stretch")
        st.button(
            "Run the demo",
            type="primary",
            icon=":material/play_arrow:",
            on_click=lacking.start_demo,
        )
        if st.button("Bring my own dataset", icon=":material/upload:"):
            state.go("dataset")
    with finished:
        st.image(
            FINISHED / f"{st.context.theme.type or 'light'}.png",
            caption="Where it leads: one run of the demo",
            width="stretch",
        )
