"""The jobs that run or wait, with their progress, in the sidebar of every page."""

from __future__ import annotations

import streamlit as st

from core import jobs
from dashboard.escape import plain
from dashboard.frame import garbage, state
from dashboard.frame.job_card import headline

OFTEN, SELDOM = 4.0, 10.0
"""Seconds between two looks at the jobs: while there are some, and while there are none."""


def draw() -> None:
    """List what runs or waits, with its progress; it redraws itself, seldom where nothing does."""
    st.fragment(_lines, run_every=OFTEN if jobs.active(state.workspace()) else SELDOM)()


def _lines() -> None:
    garbage.freeze_modules()  # here, as the page of a long run may never be run whole again
    running = jobs.active(state.workspace())
    if not running:
        st.caption("No jobs running.")
        return
    for job in running[:5]:
        if job.state == "queued":
            st.progress(0.0, text=f"Waiting · {plain(job.title)}")
        else:
            share, text = headline(job)
            st.progress(share, text=f"{plain(job.title)} · {text}")
    if len(running) > 5:
        st.caption(f"and {len(running) - 5} more")
