"""A fine-tune at work: its curves, its answers on the way, how it is stopped."""

from __future__ import annotations

import streamlit as st

from core import jobs
from core.jobs.record import Job
from core.workspace.artifact import Artifact, Entry
from dashboard.charts import losses as loss_charts
from dashboard.frame import data, job_card, state

BEGUN = "finetune:begun"
"""In the session: whether a run was just started, which is then scrolled into view."""


def begin() -> None:
    """Bring the run into view when it is next drawn."""
    st.session_state[BEGUN] = True


def job_of(selection: Artifact) -> Job | None:
    """Return the fine-tune of a selection to show: the one at work, else the newest."""
    of_it = jobs.all_about(state.workspace(), "finetune", selection=selection.id)
    at_work = [j for s in ("running", "stopping", "queued") for j in of_it[::-1] if j.state == s]
    return next(iter([*at_work, *of_it]), None)


def show(job: Job, selection: Artifact, runs: list[Entry]) -> None:
    """Show a run that waits or is at work."""
    job_card.card(job)
    st.fragment(_live, run_every=2.0)(selection)


def _live(selection: Artifact) -> None:
    for entry in state.workspace().recent("finetune"):
        if entry.state == "unfinished" and entry.parents.get("selection") == selection.id:
            log = data.metrics(state.workspace().find(entry.id))
            if len(log):
                st.plotly_chart(loss_charts.live_loss(log, []), key="live")
            return
