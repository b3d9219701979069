"""A proxy's run on its page: begin it, watch the losses come, judge it when it is done."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import pandas as pd
import streamlit as st

from core import jobs, trajectories
from core.dataset.artifact import DatasetSummary
from core.errors import InputError
from core.jobs.progress import duration, speed
from core.jobs.record import Job
from core.training.settings import steps_for
from core.training.time_estimate import load_foreseen
from core.trajectories import proxy_warnings
from core.trajectories.artifact import (
    Recording,
    TrajectoriesSummary,
    load_plan,
    load_recordings,
)
from core.workspace.artifact import Artifact
from core.workspace.files import read_json
from dashboard.charts import losses as loss_charts
from dashboard.charts import run as run_charts
from dashboard.escape import plain
from dashboard.frame import data, forms, job_card, state, widgets
from dashboard.frame.page_words import plain_words

FORM = "trajectories"
QUANTILES = ["q10", "q25", "q50", "q75", "q90"]
UNKNOWN = "–"


def launch(settings: trajectories.Settings, *flags: str) -> None:
    """Start training, which begins with a micro-run that says how long it takes; or an import."""
    what = f"Proxy {settings.model}"
    if settings.source:
        what = f"Losses of {pathlib.Path(settings.source).name}"
    job_card.launch("trajectories", settings, what, FORM, *flags)


def length_of(settings: trajectories.Settings, dataset: Artifact) -> str:
    """Say what the length that was set means, "auto" too."""
    pool = dataset.summary_as(DatasetSummary)["pool_rows"]
    rows = min(pool, settings.limit or pool)
    said = trajectories.resolve(settings)
    steps = steps_for(rows, float(said.epochs), int(said.batch_size))
    return (
        f"Length: {said.epochs:g} epochs = {steps:,} steps of {min(rows, int(said.batch_size)):,} "
        f"rows, recorded {settings.checkpoints:,} times"
    )


def begin(settings: trajectories.Settings, changed: dict[str, Any]) -> None:
    """Start a run that was offered, and let the form say what runs."""
    forms.preset(FORM, {k: v if k == "limit" else str(v) for k, v in changed.items()})
    launch(settings, "--accept-long", "yes")


def long_run(job: Job, settings: trajectories.Settings | None) -> bool:
    """Offer shorter runs, each one press away, when the micro-run found a run long."""
    foreseen = load_foreseen(jobs.folder_of(state.workspace(), job.id))
    if job.state != "failed" or not foreseen or not foreseen["refused"] or settings is None:
        return False
    low, high = map(duration, foreseen["seconds"])
    with st.container(border=True):
        st.warning(
            f"Nothing was begun: a short trial says this run takes {low} to {high} here.",
            icon=":material/schedule:",
        )
        for words, flags, seconds in foreseen["ways"]:
            shorter = dataclasses.replace(settings, **flags)
            st.button(
                f"Train {plain(words)}: at most {duration(seconds)}",
                key=f"shorter:{words}",
                icon=":material/bolt:",
                on_click=begin,
                args=(shorter, flags),
            )
        st.button(
            f"Begin as it is: {low} to {high}",
            icon=":material/hourglass_top:",
            on_click=begin,
            args=(settings, {}),
            help="It runs without this page, can be stopped, and goes on where it stopped",
        )
    return True


def live(job: Job) -> None:
    """Show a run while it goes: numbers, the ribbon growing, the training loss.

    Everything has its place and height from the start, so that nothing moves while it fills.
    """
    start = _note(job, proxy_warnings.START)
    folder = _folder(start)
    columns = load_recordings(folder) if folder else []
    plan = load_plan(folder) if folder else []
    planned = plan or [s for s in (start.get("steps"),) if s]
    _numbers(job, start, columns, len(plan))
    rows = [[c["step"], *c["quantiles"]] for c in columns if c["quantiles"]]
    ribbon = run_charts.growing(pd.DataFrame(rows, columns=["step", *QUANTILES]), planned)
    st.plotly_chart(
        ribbon,
        key="live-quantiles",
        alt="Loss of all rows at each recording so far: median and bands",
    )
    st.caption("Loss of all rows at each recording: median, middle half and 10-90% band.")
    log = data.metrics(folder) if folder else pd.DataFrame({"step": [], "loss": []})
    steps = [c["step"] for c in columns]
    loss = loss_charts.live_loss(log, steps, last_step=max([1, *planned]), height=240)
    st.plotly_chart(loss, key="live", alt="Training loss so far")


def _numbers(job: Job, start: dict[str, Any], columns: list[Recording], total: int) -> None:
    records = jobs.progress_of(state.workspace(), job.id)
    fastest: dict[str, Any] = next((r for r in reversed(records) if "rows/s" in r), {})
    stage = str(fastest.get("stage", ""))
    if not fastest and columns:  # recordings of under two seconds are not reported on the way
        fastest = speed(start["trained"], start["tokens"], columns[-1]["seconds"])
    main = [r for r in records if r["stage"] in job_card.MAIN_STAGES]
    left = main[-1]["left"] if main and not job.message else None
    flagged = start["truncated"] + start["no_response"] if start else None
    numbers = {
        "Recordings": f"{len(columns)} of {max(total, len(columns))}" if start else UNKNOWN,
        "Rows/s": _number(fastest.get("rows/s")),
        "Tokens/s": _number(fastest.get("tokens/s")),
        "Time left": duration(left) or UNKNOWN,
        "Flagged rows": _number(flagged),
    }
    foreseen = load_foreseen(jobs.folder_of(state.workspace(), job.id))
    trial = f"A trial before it said: {plain(foreseen['text'])}" if foreseen else None
    hints = {"Time left": trial}
    for column, (label, value) in zip(st.columns(len(numbers)), numbers.items(), strict=True):
        column.metric(label, value, help=hints.get(label))
    if not start:
        st.caption("Tokenizing comes first, then a trial of seconds that says how long it takes.")
        return
    for remark in start.get("remarks", []):
        st.caption(plain_words(remark))
    doing = "training" if stage in job_card.MAIN_STAGES else "recording"
    st.caption(
        f"Speed while {doing} · {start['truncated']:,} of {start['rows']:,} rows cut at "
        f"{start['max_length']:,} tokens · {start['no_response']:,} without a response token"
    )


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def warn(artifact: Artifact) -> None:
    """Say what makes trajectories doubtful, each with what to do about it."""
    lengths = data.flags(artifact.id)["n_tokens"].to_numpy()
    first = data.steps(artifact.id)[0]
    for warning in proxy_warnings.warnings(
        artifact.summary_as(TrajectoriesSummary), artifact.config, lengths, first
    ):
        st.warning(plain_words(warning), icon=":material/warning:")


def facts(artifact: Artifact) -> None:
    """Show what was measured and what was not."""
    s = artifact.summary_as(TrajectoriesSummary)
    pairs = [
        ("Measured", f"{s['measured']:,} of {s['rows']:,}"),
        ("Recordings", f"{s['checkpoints']:,} in {s['steps']:,} steps"),
        ("Mean loss", f"{s['first_loss']:.2f} → {s['final_loss']:.2f}"),
        ("Cut", f"{s['truncated']:,}"),
        ("Not measurable", f"{s['unmeasurable']:,}"),
    ]
    if "train_seconds" not in s:  # imported, or made before the parts were counted
        pairs.append(("Took", duration(artifact.manifest["seconds"])))
    widgets.facts(*pairs)


def cost(artifact: Artifact) -> None:
    """Show where the time went, where that is known."""
    s = artifact.summary_as(TrajectoriesSummary)
    if "train_seconds" in s:
        parts = {
            "tokenise": s["tokenize_seconds"],
            "train": s["train_seconds"],
            "record": s["record_seconds"],
        }
        st.plotly_chart(
            run_charts.cost_split(parts),
            key="cost",
            alt="Seconds of tokenising, training and recording",
        )


def _note(job: Job, name: str) -> dict[str, Any]:
    """Return what the engine noted in a job's directory; empty until it has."""
    return read_json(state.workspace().root / "jobs" / job.id / name) or {}


def _folder(start: dict[str, Any]) -> pathlib.Path | None:
    try:
        return state.workspace().find(str(start.get("id", "")))
    except InputError:  # not yet begun, or deleted
        return None
