"""Fine-tunes that ended early and can go on, and what tells jobs of one title apart."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import jobs
from core.jobs.record import Job
from core.settings import specs
from core.workspace.artifact import Artifact
from dashboard.escape import one_line, plain
from dashboard.frame import job_card, state

MOST = 5
"""Shown at once, newest first."""


def kept(selection: Artifact, shown: Job | None) -> list[Job]:
    """Return the jobs of a selection that ended early and left a run that no job works on.

    Args:
        selection: What they train on.
        shown: A job that the page shows by itself.
    """
    workspace = state.workspace()
    if not any(e.state == "unfinished" for e in workspace.recent("finetune")):
        return []
    by_draft: dict[str, Job] = {}
    for job in jobs.all_about(workspace, "finetune", selection=selection.id):
        if job.state != "done" and (draft := jobs.draft_of(workspace, job)):
            by_draft.setdefault(draft.id, job)  # the newest of a run stopped more than once
    left = [j for j in by_draft.values() if j.state not in jobs.ACTIVE]
    return [j for j in left if shown is None or j.id != shown.id]


def panel(selection: Artifact, shown: Job | None) -> None:
    """Offer to go on with what was stopped, whatever else runs or has run since."""
    stopped = kept(selection, shown)
    if not stopped:
        return
    apart = differences(stopped)
    st.subheader("Stopped, to go on with", anchor=False)
    for job in stopped[:MOST]:
        if difference := apart.get(job.id):
            st.caption(plain(difference))
        job_card.card(job)
    if len(stopped) > MOST:
        st.caption(f"{len(stopped) - MOST:,} older ones are listed when these are gone.")


def differences(listed: Sequence[Job]) -> dict[str, str]:
    """Return, by id, the settings in which jobs of the same title differ, in words."""
    out: dict[str, str] = {}
    for title in {job.title for job in listed}:
        asked = {j.id: jobs.settings_of(j) for j in listed if j.title == title}
        kinds = {type(s) for s in asked.values()}
        if len(asked) < 2 or len(kinds) > 1 or None in asked.values():
            continue
        for spec in specs(kinds.pop()):
            values = {id: getattr(s, spec.name) for id, s in asked.items()}
            if spec.name == "resume" or len({repr(v) for v in values.values()}) < 2:
                continue
            for id, value in values.items():
                difference = f"{spec.name.replace('_', ' ')} {one_line(str(value), 40)}"
                out[id] = f"{out[id]}, {difference}" if id in out else difference
    return out
