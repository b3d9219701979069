import streamlit as st

from core import jobs
from core.finetune.artifact import FinetuneSummary
from core.finetune.settings import short
from core.workspace.artifact import Artifact
from dashboard.finetune import after, as_file, fit, form, offered, queue, result, running
from dashboard.frame import job_card, state, widgets


def panel(selection: Artifact) -> None:
    """Ask for the settings, and start the fine-tune as a job."""
    with st.container(border=True):
        st.markdown("**Train a target**")
        settings, tested = form.draw(selection)
        with st.container(horizontal=True):
            if settings is not None:
                as_file.save(settings)
            as_file.load()
            if settings is not None:
                job_card.command("finetune", settings)
        if settings is None:
            return
        st.caption(form.summary(settings, tested))
        fit.panel(settings, form.FORM)
        same = jobs.latest(state.workspace(), "finetune", settings)
        at_work = same is not None and same.state in jobs.ACTIVE
        if at_work:
            st.caption("This very run is at work or waits already: it is shown above.")
        device = queue.choose_device(settings)
        if st.button(
            "Start fine-tune", type="primary", width="stretch", disabled=at_work
        ):  # not on_click: its arguments would be those before a last edit
            title = f"Fine-tune {short(settings.model)}"
            job_card.launch("finetune", settings, title, form.FORM, device=device)
            st.rerun()


def finished(selection: Artifact, watched: bool) -> Artifact | None:
    """Show the fine-tune that the address names, else the newest of this selection; return it."""
    named = st.query_params.get("finetune")
    mine = [e for e in runs if e.parents.get("selection") == selection.id][:1]
    newest = [state.workspace().open(e.id, e.kind) for e in mine]
    shown = state.current("finetune") if named else next(iter(newest), None)
    if shown is None:
        if not watched:
            st.info(
                "The training loss will appear here as it falls, then the held-out scores and the "
                "model's own answers. Press Start fine-tune.",
                icon=":material/model_training:",
            )
        return None
    st.text(shown.name)
    others = {e.id: e.name for e in runs if e.id != shown.id}
    running.curves_of(shown, others)
    result.scores(shown)
    with st.expander("Read its answers", icon=":material/chat:"):
        result.answers(shown)
    return shown


widgets.title(
    "Fine-tune", "The target is trained on the selected rows only and tested on rows held out."
)
offered.settle()
selection = widgets.chips("selection")["selection"]
if selection is None:
    widgets.empty(
        "filter_alt",
        "A target is trained on a selection; save one first.",
        "Set a budget",
        "selection",
    )
    st.stop()
runs = [e for e in state.sealed("finetune") if e.summary_as(FinetuneSummary)["rows"]][:50]
job = running.job_of(selection)
if job is not None and job.state in jobs.ACTIVE:
    running.show(job, runs)
    with st.expander("Start another fine-tune", icon=":material/add:", key="finetune-another"):
        panel(selection)
else:
    left, right = st.columns(widgets.BESIDE)
    with right:  # drawn first: what ended must not stand while the form is drawn
        if job is not None and job.state != "done":
            job_card.card(job)
        done = finished(selection, job is not None)
    with left:
        if "clusters" in selection.parents:
            clusters = selection.parents["clusters"]
            widgets.next_step("Compare selections", "study", clusters=clusters)
        panel(selection)
    if done is not None:
        after.draw(done)
queue.panel()
if runs:
    st.subheader("Runs so far", anchor=False)
    result.table(runs)
