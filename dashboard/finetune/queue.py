"""The queue of all jobs per device: what runs, what waits in which order, where a new one goes."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core import jobs
from core.errors import InputError
from core.jobs import devices
from core.jobs.record import NO_QUEUE, Job
from dashboard.escape import plain
from dashboard.finetune.unfinished import differences
from dashboard.frame import job_card, state
from dashboard.frame.page_words import plain_words, said

PROBLEM = "queue:problem"
EVERY = 10.0
"""Seconds between two looks at the queue."""


def choose_device(settings: Any) -> str:
    """Ask for a device where there are several; return it."""
    there = devices.devices()
    all_jobs = jobs.jobs(state.workspace())
    chosen = jobs.device_for(all_jobs, "finetune", settings)
    if chosen in NO_QUEUE:
        st.caption(f"Runs on the cluster ({plain(settings.launcher)}); no device here is taken")
        return chosen
    device = devices.AUTO
    if len(there) > 1:
        titles = {g.device: f"{g.device} · {g.title}" for g in devices.gpus()}
        device = st.selectbox(
            "Device",
            [devices.AUTO, *there],
            format_func=lambda d: f"auto: {chosen}" if d == devices.AUTO else titles.get(d, d),
            key="finetune-device",
            persist_state="session",
            help="auto is the GPU with the fewest jobs; jobs of different devices do not wait for "
            "each other",
        )
    on = chosen if device == devices.AUTO else str(device)
    before = sum(j.state in jobs.ACTIVE and devices.shared(j.device, on) for j in all_jobs)
    wait = f"; {before:,} before it" if before else ""
    st.caption(f"Runs on {plain(on)}{wait}")
    return on


def panel() -> None:
    """Show what runs and waits on each device, if anything does; it redraws itself."""
    if jobs.active(state.workspace()):
        with st.expander("Queue", icon=":material/list:", key="finetune-queue", expanded=True):
            st.fragment(_lines, run_every=EVERY)()


def _lines() -> None:
    if problem := st.session_state.pop(PROBLEM, ""):
        st.warning(plain_words(problem))
    active = jobs.active(state.workspace())
    if not active:
        st.caption("Nothing runs or waits.")
    apart = differences(active)
    for device in dict.fromkeys(j.device for j in sorted(active, key=lambda j: j.device)):
        of_it = [j for j in active if j.device == device]
        waiting = sorted((j for j in of_it if j.state == "queued"), key=lambda j: j.turn)
        st.caption(plain("beside the queue" if device in NO_QUEUE else device))
        for job in (j for j in of_it if j.state != "queued"):
            waited = job.state == "stopping" and not job.stage
            words = "Stopping" if waited else job_card.STATES[job.state][0]
            _line(job, apart.get(job.id, ""), words, 0, 0)
        for i, job in enumerate(waiting):
            _line(job, apart.get(job.id, ""), f"{i + 1:,} in line", i, len(waiting))


def _line(job: Job, apart: str, words: str, at: int, of: int) -> None:
    name = f"{plain(job.title)} ({plain(apart)})" if apart else plain(job.title)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{name} · {words}", width="stretch")
        for places, icon, what in ((1, "arrow_upward", "Earlier"), (-1, "arrow_downward", "Later")):
            if of > 1:
                st.button(
                    what,
                    key=f"queue:{what}:{job.id}",
                    icon=f":material/{icon}:",
                    type="tertiary",
                    disabled=at == (0 if places > 0 else of - 1),
                    on_click=_move,
                    args=(job.id, places),
                )
        st.button(
            "Cancel",
            key=f"queue:cancel:{job.id}",
            icon=":material/close:",
            type="tertiary",
            disabled=job.state == "stopping",
            help="Ends it; what a running one has saved can be resumed",
            on_click=jobs.stop,
            args=(state.workspace(), job.id),
        )


def _move(id: str, places: int) -> None:
    try:
        jobs.move(state.workspace(), id, places)
    except (InputError, OSError) as e:
        st.session_state[PROBLEM] = said(e)
