"""A fine-tune at work: its curves, its answers on the way, how it is stopped."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core import jobs
from core.errors import InputError
from core.jobs import devices
from core.jobs.progress import duration
from core.jobs.record import Job
from core.training.watch import load_looks
from core.workspace.artifact import Artifact, Entry
from dashboard.charts import figure, theme, training
from dashboard.escape import label, plain
from dashboard.finetune import curves
from dashboard.frame import job_card, reader, state, widgets
from dashboard.frame.page_words import plain_words

DRAWN = "finetune:drawn"
"""In the session: the charts of the run that is watched, and what they were drawn from."""
RUN = "finetune-run"
EVERY = 5.0
"""Seconds between two looks at a run."""
AXES = {"step": "Steps", "tokens": "Tokens", "seconds": "Time"}
SMALL = {
    "lr": "learning rate",
    "grad_norm": "gradient norm",
    "tokens/s": "tokens a second",
    "memory": "memory (GiB)",
}
LOSSES = "Training and held-out loss of the run; the newest values stand beside it as numbers"
OTHERS = 5
"""Other runs that can be drawn beside one."""


def job_of(selection: Artifact) -> Job | None:
    """Return the fine-tune of a selection to show: the one at work, else the newest."""
    of_it = jobs.all_about(state.workspace(), "finetune", selection=selection.id)
    at_work = [j for s in ("running", "stopping", "queued") for j in of_it[::-1] if j.state == s]
    return next(iter([*at_work, *of_it]), None)


def show(job: Job, runs: list[Entry]) -> None:
    """Show a run that waits or is at work; it redraws itself."""
    with st.container(key=RUN, border=True):
        st.fragment(_live, run_every=EVERY)(job.id, {e.id: e.name for e in runs})


def _live(id: str, runs: dict[str, str]) -> None:
    try:
        job = jobs.status(state.workspace(), id)
    except InputError:
        st.rerun()
    if job.state not in jobs.ACTIVE:
        st.rerun()  # the page shows how it ended
    _head(job)
    draft = jobs.draft_of(state.workspace(), job) if job.state != "queued" else None
    folder = state.workspace().find(draft.id) if draft else None
    frame = curves.read(folder) if folder else pd.DataFrame()
    _numbers(job, frame)
    if len(frame):
        _charts(job, frame, runs)
    if folder:
        answers(load_looks(folder))
    with st.expander("Log", icon=":material/notes:", key="finetune-log"):
        text = jobs.log_tail(state.workspace(), id, 40) or "(nothing yet)"
        st.code(text, language=None, wrap_lines=True, height=220)


def _head(job: Job) -> None:
    left, keep, drop = st.columns([5, 1.3, 1], vertical_alignment="center")
    words = job_card.STATES[job.state][0]
    if job.state == "queued":
        ahead = f"; {job.ahead:,} before it" if job.ahead else ""
        left.progress(0.0, text=f"{plain(job.title)}  \n{words}{ahead}")
    else:
        stage = f"{plain(job.stage)}: {job.step:,} of {job.total:,}" if job.stage else "starting"
        rest = "" if job.seconds_left is None else f" · about {duration(job.seconds_left)} left"
        share = min(1.0, job.step / max(1, job.total))
        left.progress(share, text=f"{plain(job.title)} on {plain(job.device)}  \n{stage}{rest}")
    if job.message:
        left.warning(plain_words(job.message), icon=":material/help:")
    keep.button(
        "Stop and keep",
        icon=":material/stop:",
        key=f"stop:{job.id}",
        disabled=job.state == "stopping",
        help="Finish the step, save, check what was saved, and end; it can be resumed",
        on_click=jobs.stop,
        args=(state.workspace(), job.id),
        width="stretch",
    )
    with drop.popover("Discard", icon=":material/delete:", width="stretch"):
        st.caption("Ends the run and deletes what it has made so far.")
        st.button(
            "Discard this run",
            key=f"discard:{job.id}",
            disabled=job.state == "stopping",
            on_click=job_card.discard,
            args=(job,),
        )
    st.caption(
        "Closing this tab, the browser or the server is safe: the run goes on by itself, and this "
        "page finds it again."
    )


def _numbers(job: Job, frame: pd.DataFrame) -> None:
    """Show the newest of each quantity that is known."""
    now = {c: float(known.iloc[-1]) for c in frame if len(known := frame[c].dropna())}
    if "loss" in job.metrics:  # newer than the lines of a long run
        now["loss"] = float(job.metrics["loss"])
    shown: list[tuple[str, str]] = []
    measured = {"loss": "Training loss", "held_out": "Held-out loss"}
    shown += [(title, f"{now[c]:.3f}") for c, title in measured.items() if c in now]
    if "lr" in now:
        shown.append(("Learning rate", f"{now['lr']:.2g}"))
    if "grad_norm" in now:
        shown.append(("Gradient norm", f"{now['grad_norm']:.3g}"))
    if rate := job.metrics.get("tokens/s", now.get("tokens/s")):
        shown.append(("Tokens/s", f"{float(rate):,.0f}"))
    if "memory" in now:
        shown.append(("Memory of the run", f"{now['memory'] / 2**30:.2f} GiB"))
    for gpu in devices.gpus():
        if gpu.device in devices.parts(job.device):
            shown += _of_gpu(gpu)
    if job.seconds_left is not None:
        shown.append(("Time left", duration(job.seconds_left)))
    pairs = [(plain(title), plain(value)) for title, value in shown]
    if pairs:
        widgets.facts(*pairs)


def _of_gpu(gpu: devices.Gpu) -> list[tuple[str, str]]:
    pairs = []
    if gpu.used is not None and gpu.total:
        used = f"{gpu.used / 2**30:.1f} of {gpu.total / 2**30:.0f} GiB"
        pairs.append((f"Memory of {gpu.device}", used))
    if gpu.busy is not None:
        pairs.append((f"Use of {gpu.device}", f"{gpu.busy:.0%}"))
    return pairs


def _charts(job: Job, frame: pd.DataFrame, runs: dict[str, str]) -> None:
    place = widgets.lead("curves")
    axis, smoothing, beside = controls(frame, runs, job.id)
    newest = str(frame.iloc[-1].to_list()), len(frame), int(frame["held_out"].count())
    about = job.id, axis, smoothing, [(b.name, b.colour) for b in beside], newest
    if st.session_state.get(DRAWN, ("",))[0] != about:  # a step may take longer than a look
        own = training.Curve("this run", frame, theme.ACCENT)
        large = training.losses([own, *beside], axis, smoothing)
        small = {c: training.small(frame, c, SMALL[c], axis) for c in SMALL if c in frame}
        st.session_state[DRAWN] = about, large, small
    _, large, small = st.session_state[DRAWN]
    place.plotly_chart(
        large, key="finetune-losses", config=figure.READ_ONLY, height="stretch", alt=LOSSES
    )
    for column, place in zip(small, st.columns(max(1, len(small))), strict=False):
        key = f"finetune-small:{column}"
        alt = f"{SMALL[column].capitalize()} over the run"
        place.plotly_chart(small[column], key=key, config=figure.READ_ONLY, alt=alt)


def curves_of(artifact: Artifact, others: dict[str, str]) -> None:
    """Draw the way of a finished run, others beside it if wanted."""
    frame = curves.of_sealed(artifact.id)
    place = widgets.lead("curves")
    axis, smoothing, beside = controls(frame, others, artifact.id)
    name = label(artifact.name) if beside else "this run"
    own = training.Curve(name, frame, theme.ACCENT)
    drawn = training.losses([own, *beside], axis, smoothing)
    place.plotly_chart(
        drawn, key="finetune-losses", config=figure.READ_ONLY, height="stretch", alt=LOSSES
    )


def controls(
    frame: pd.DataFrame, runs: dict[str, str], key: str
) -> tuple[str, float, list[training.Curve]]:
    """Ask for axis, smoothing and other runs; return them as the chart takes them."""
    place = st.container(horizontal=True, vertical_alignment="bottom")  # wraps where it is narrow
    there = [axis for axis in AXES if axis in frame]
    axis = place.segmented_control(
        "Axis",
        there,
        default="step",
        required=True,
        format_func=AXES.__getitem__,
        key=f"finetune-axis:{len(there)}",
        persist_state="session",
        width="content",
    )
    share = place.slider(
        "Smoothing",
        0,
        50,
        5,
        format="%d%%",
        key="finetune-smoothing",
        persist_state="session",
        help="Each point is the mean of this share of all points around it",
        width=180,
    )
    names = state.distinct(runs)
    chosen = place.multiselect(
        "Other runs beside it",
        list(runs),
        format_func=lambda id: names.get(id, id),
        max_selections=OTHERS,
        key=f"finetune-beside:{key}",
        placeholder="Choose finished runs",
        width=320,
    )
    colours = theme.source_colours(map(str, chosen))
    short = curves.short_names({id: runs[id] for id in chosen if id in runs})
    beside = [
        training.Curve(label(name), curves.of_sealed(id), colours[id]) for id, name in short.items()
    ]
    return str(axis or "step"), share / 100, beside


def answers(looks: list[dict[str, Any]]) -> None:
    """Show what the model answered to the fixed prompts, at the look that is chosen."""
    by_step = {look["step"]: look["answers"] for look in looks if look.get("answers")}
    if not by_step:
        return
    steps = list(by_step)
    st.markdown("**Its answers on the way**")
    step = steps[-1]
    if len(steps) > 1:
        step = st.select_slider(
            "After step", steps, steps[-1], key=f"finetune-answers:{len(steps)}"
        )
    for column, answer in zip(st.columns(len(by_step[step])), by_step[step], strict=True):
        column.caption("Asked")
        column.code(reader.cut(str(answer.get("prompt", ""))), language=None, wrap_lines=True)
        column.caption("Answered")
        said = reader.said(str(answer.get("said", "")))
        column.code(said, language=None, wrap_lines=True)
        if answer.get("answer"):
            column.caption("Expected")
            column.code(reader.cut(str(answer["answer"])), language=None, wrap_lines=True)
