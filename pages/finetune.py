import contextlib

import streamlit as st

from core import finetune, jobs
from core.errors import InputError
from core.finetune.artifact import FinetuneSummary
from core.finetune.settings import short
from core.training.watch import load_looks
from core.workspace.artifact import Artifact
from dashboard.escape import plain
from dashboard.finetune import (
    after,
    as_file,
    fit,
    form,
    offered,
    queue,
    result,
    running,
    unfinished,
)
from dashboard.frame import job_card, lacking, state, widgets


def panel(selection: Artifact, *, wide: bool) -> None:
    """Ask for the settings, in two columns where there is room; start the fine-tune as a job."""
    with st.container(border=wide):  # a narrow column has no room to give away
        asked, ahead = st.columns(2, gap="large") if wide else (st.container(), st.container())
        with asked:
            st.markdown("**Train a target**")
            settings, tested = form.draw(selection)
        with ahead:
            st.markdown("**Before it starts**")
            with st.container(horizontal=True):
                if settings is not None:
                    as_file.save(settings)
                as_file.load()
                if settings is not None:
                    job_card.command("finetune", settings)
            if settings is not None:
                st.caption(form.summary(settings, tested))
                fit.panel(settings, form.FORM)
                _start(settings)


def _start(settings: finetune.Settings) -> None:
    same = jobs.latest(state.workspace(), "finetune", settings)
    at_work = same is not None and same.state in jobs.ACTIVE
    if at_work:
        st.caption("This very run is at work or waits already; the queue below shows it.")
    device = queue.choose_device(settings)
    if st.button(
        "Start fine-tune", type="primary", width="stretch", disabled=at_work
    ):  # not on_click: its arguments would be those before a last edit
        title = settings.name or f"Fine-tune {short(settings.model)}"
        job_card.launch("finetune", settings, title, form.FORM, device=device)
        st.query_params.pop("finetune", None)  # what was started is what is watched
        st.rerun()


def next_step(selection: Artifact) -> None:
    """Offer the comparison that follows a fine-tune."""
    if "clusters" in selection.parents:
        clusters = selection.parents["clusters"]
        widgets.next_step("Compare selections", "study", clusters=clusters)


def shown_run(selection: Artifact) -> Artifact | None:
    """Return the fine-tune that the address names, else the newest of this selection."""
    named = state.current("finetune") if st.query_params.get("finetune") else None
    if named is not None and named.parents.get("selection") == selection.id:
        return named
    for entry in (e for e in runs if e.parents.get("selection") == selection.id):
        with contextlib.suppress(InputError):  # damaged since it was listed
            return state.workspace().open(entry.id, entry.kind)
    return None


def watch() -> None:
    """Let the page show what is at work."""
    st.query_params.pop("finetune", None)


def finished(shown: Artifact) -> None:
    """Show a fine-tune: its curves, its scores, its answers."""
    st.text(shown.name)
    others = {e.id: e.name for e in runs if e.id != shown.id}
    running.curves_of(shown, others)
    result.scores(shown)
    running.answers(load_looks(shown.path))
    with st.expander("Read its answers", icon=":material/chat:"):
        result.answers(shown)


widgets.title(
    "Fine-tune", "The target is trained on the selected rows only and tested on rows held out."
)
offered.settle()
selection = widgets.chips("selection")["selection"]
if selection is None:
    lacking.draw("A target is trained on a selection.", "selection")
    st.stop()
runs = [e for e in state.sealed("finetune") if e.summary_as(FinetuneSummary)["rows"]][:50]
job = running.job_of(selection)
done = shown_run(selection)
looked_at = done is not None and st.query_params.get("finetune") == done.id
if job is not None and job.state in jobs.ACTIVE and not looked_at:
    running.show(job, runs)
    with st.expander("Start another fine-tune", icon=":material/add:", key="finetune-another"):
        panel(selection, wide=True)
elif done is None and (job is None or job.state == "done"):
    panel(selection, wide=True)
    st.caption(
        "The training loss will appear here as it falls, then the held-out scores and the model's "
        "own answers."
    )
    next_step(selection)
else:
    left, right = st.columns(widgets.BESIDE)
    with right:  # drawn first: what ended must not stand while the form is drawn
        if job is not None and job.state in jobs.ACTIVE:
            st.button(
                f"Watch {plain(job.title)}, which is {plain(job.state)}",
                icon=":material/monitoring:",
                on_click=watch,
            )
        elif job is not None and job.state != "done":
            job_card.card(job)
        if done is not None:
            finished(done)
    with left:
        next_step(selection)
        panel(selection, wide=False)
    if done is not None:
        after.draw(done)
queue.panel()
unfinished.panel(selection, job)
if runs:
    st.subheader("Runs so far", anchor=False)
    result.table(runs)
