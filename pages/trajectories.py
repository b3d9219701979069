import dataclasses
import pathlib
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core import jobs, models, trajectories
from core.artifact import Artifact
from core.files import read_json, read_jsonl
from core.jobs import Job
from core.progress import duration
from dashboard import charts, data, forms, running, server, state, transferring, widgets

FORM = "trajectories"


def launch(settings: trajectories.Settings, *flags: str) -> None:
    """Start training; a micro-run says first how long it takes."""
    running.launch("trajectories", settings, f"Proxy {settings.model}", FORM, *flags)


def live(job: Job, dataset: Artifact) -> None:
    """Show the loss as it comes, and the columns recorded so far."""
    found = estimate(job)
    if found:
        st.caption(f"The trial before it said: {found['text']}.")
    else:
        st.caption("A trial of seconds says first how long it will take.")
    for entry in state.workspace().entries("trajectories"):
        if entry.state == "unfinished" and entry.parents.get("dataset") == dataset.id:
            folder = state.workspace().find(entry.id)
            log = data.metrics(folder)
            columns = list(read_jsonl(folder / "columns.jsonl"))
            if len(log):
                st.plotly_chart(charts.live_loss(log, [c["step"] for c in columns]), key="live")
            quantiles = [c["quantiles"] for c in columns if c["quantiles"]]
            if len(quantiles) > 1:
                frame = pd.DataFrame(quantiles, columns=["q10", "q25", "q50", "q75", "q90"])
                st.caption(f"Loss of all examples at the {len(quantiles)} recordings so far")
                steps = [c["step"] for c in columns if c["quantiles"]]
                nothing = np.zeros((0, len(steps)), np.float32)
                figure = charts.trajectory_overview(steps, frame, nothing)
                st.plotly_chart(figure, key="live-quantiles")
            return


def from_elsewhere(dataset: Artifact, busy: bool) -> None:
    """Take losses that were recorded by other code, or score its checkpoints."""
    st.caption(
        "A folder of checkpoint-* with losses.pt (the official code) or with models, which are "
        "then scored; or a .npy or .parquet table of losses, a row an example."
    )
    source = server.path("trajectories:source", folders=True)
    if source:
        settings = trajectories.Settings(dataset=dataset.id, source=source)
        st.button(
            "Import losses", width="stretch", disabled=busy,
            on_click=running.launch,
            args=("trajectories", settings, f"Losses of {pathlib.Path(source).name}", FORM),
        )  # fmt: skip
        running.command("trajectories", settings)


def estimate(job: Job) -> dict[str, Any]:
    """Return what the micro-run found before the run began; empty until then."""
    return read_json(state.workspace().root / "jobs" / job.id / "estimate.json") or {}


def long_run(job: Job, settings: trajectories.Settings | None) -> bool:
    """Offer shorter runs, each one press away, when the micro-run found a run long."""
    found = estimate(job)
    if job.state != "failed" or not found.get("refused") or settings is None:
        return False
    low, high = map(duration, found["seconds"])
    with st.container(border=True):
        st.warning(
            f"Nothing was begun: a short trial says this run takes {low} to {high} here.",
            icon=":material/schedule:",
        )
        for words, flags, seconds in found["ways"]:
            shorter = dataclasses.replace(settings, **flags)
            st.button(
                f"Train {words}: at most {duration(seconds)}",
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


def begin(settings: trajectories.Settings, changed: dict[str, Any]) -> None:
    """Start a run that was offered, and let the form say what runs."""
    forms.preset(FORM, {k: v if k == "limit" else str(v) for k, v in changed.items()})
    launch(settings, "--accept-long", "yes")


def picture(artifact: Artifact) -> None:
    """Show the recorded trajectories."""
    s = artifact.summary
    widgets.facts(
        ("Measured", f"{s['measured']:,} of {s['rows']:,}"),
        ("Recordings", f"{s['checkpoints']} in {s['steps']:,} steps"),
        ("Mean loss", f"{s['first_loss']:.2f} → {s['final_loss']:.2f}"),
        ("Cut", f"{s['truncated']:,}"),
        ("Not measurable", f"{s['unmeasurable']:,}"),
        ("Took", duration(artifact.manifest["seconds"])),
    )
    quantiles, samples = data.overview(artifact.id)
    st.plotly_chart(charts.trajectory_overview(data.steps(artifact.id), quantiles, samples))
    st.caption(
        f"Loss of {s['measured']:,} rows over training: median, middle half and 10-90% band, with "
        f"{len(samples)} rows drawn at random. A wide band late in training means the proxy still "
        "finds some examples much harder than others."
    )
    names = ["By source", "Training loss", "Flags", transferring.TITLE]
    tabs = st.tabs(names, on_change="rerun", key="trajectories:tab")
    if tabs[0].open:
        means, counts = data.by_source(artifact.id)
        tabs[0].plotly_chart(charts.source_curves(data.steps(artifact.id), means, counts))
    if tabs[1].open:
        log = data.metrics(artifact.path)
        tabs[1].plotly_chart(charts.live_loss(log, data.steps(artifact.id)))
    if tabs[2].open:
        flags = data.flags(artifact.id)
        counted = flags["flag"].replace("", "measured").value_counts()
        tabs[2].dataframe(counted.rename("rows"), width="content")
        odd = flags[flags["flag"].isin(["no response token"]) | flags["truncated"]]
        shown = odd.reset_index(names="row")[["row", "source", "n_tokens", "n_response", "flag"]]
        tabs[2].dataframe(shown.head(500), hide_index=True)
    if tabs[3].open:
        with tabs[3]:
            transferring.show(artifact)


widgets.title(
    "Trajectories",
    "A small proxy is trained on every row; each row's loss is recorded at steps along the way.",
)
inputs = widgets.chips("dataset", "trajectories")
dataset, artifact = inputs["dataset"], inputs["trajectories"]
if dataset is None:
    widgets.empty("table_rows", "A proxy needs a dataset first.", "Import a dataset", "dataset")
    st.stop()
job = running.latest("trajectories", dataset=dataset.id)
left, right = st.columns([1, 2.6], gap="large")
with left:
    if artifact is not None:
        widgets.next_step("See the clusters", "clusters", trajectories=artifact.id)
    with st.container(border=True):
        st.markdown("**Train a proxy**")
        settings = forms.form(trajectories.Settings, FORM, fixed={"dataset": dataset.id})
        if settings is not None:
            size = models.KNOWN_SIZES.get(settings.model)
            if size:
                ratio = models.KNOWN_SIZES["microsoft/phi-2"] / size
                st.caption(f"{size / 1e6:,.1f}M parameters; Phi-2 is {ratio:,.0f}× larger")
            busy = job is not None and job.state in jobs.ACTIVE
            st.button(
                "Train proxy",
                type="primary",
                width="stretch",
                disabled=busy,
                on_click=launch,
                args=(settings,),
                help="First a micro-run of seconds says how long it takes; over 30 minutes asks",
            )
            running.command("trajectories", settings)
    with st.expander("Trained elsewhere?", icon=":material/download:"):
        from_elsewhere(dataset, job is not None and job.state in jobs.ACTIVE)
with right:
    if job is not None and job.state != "done":
        if not long_run(job, settings):
            running.card(job)
        if job.state in jobs.ACTIVE:
            st.fragment(live, run_every=2.0)(job, dataset)
    elif job is not None and st.session_state.get("seen:trajectories") != job.result:
        st.session_state["seen:trajectories"] = job.result
        if artifact is None or artifact.id != job.result:
            st.query_params["trajectories"] = job.result
            st.rerun()
    if artifact is None:
        if job is None:
            st.info(
                "Here will stand every row's loss over the proxy's training. The settings on the "
                "left suit a first look: press Train proxy.",
                icon=":material/show_chart:",
            )
    elif job is None or job.state not in jobs.ACTIVE:
        picture(artifact)
