from typing import Any

import pandas as pd
import streamlit as st

from core import finetune, jobs
from core.errors import InputError
from core.finetune import metrics
from core.finetune.settings import short
from core.jobs.progress import duration
from core.jobs.record import Job
from core.model import loading
from core.training.settings import epochs_of
from core.workspace.artifact import Artifact, Entry
from core.workspace.files import read_jsonl
from dashboard.charts import losses as loss_charts
from dashboard.escape import plain
from dashboard.frame import data, forms, job_card, overlap, reader, state, widgets

FORM = "finetune"
SHOWN = 6  # fine-tunes whose losses are drawn together, newest first


def launch(settings: finetune.Settings) -> None:
    """Start the fine-tune as a job."""
    title = f"Fine-tune {short(settings.model)}"
    job_card.launch("finetune", settings, title, FORM)


def size_of(model: str, selection: Artifact) -> str:
    """Say how large the target is, and how many times the proxy."""
    size = loading.KNOWN_SIZES.get(model)
    if not size:
        return ""
    try:
        proxy = selection.ancestor("trajectories").summary.get("parameters")
    except InputError:  # drawn from a dataset alone
        proxy = None
    if not proxy:  # imported losses do not say either
        return f"{size / 1e6:,.1f}M parameters; "
    return f"{size / 1e6:,.1f}M parameters, {size / proxy:,.1f}× the proxy; "


def live(job: Job, selection: Artifact) -> None:
    """Show the loss as it comes."""
    for entry in state.workspace().recent("finetune"):
        if entry.state == "unfinished" and entry.parents.get("selection") == selection.id:
            log = data.metrics(state.workspace().find(entry.id))
            if len(log):
                st.plotly_chart(loss_charts.live_loss(log, []), key="live")
            return


def scores(artifact: Artifact) -> None:
    """Show what the fine-tune scored, each number with its denominator."""
    s = artifact.summary
    epochs = epochs_of(s["rows"], s["steps"], artifact.config["batch_size"])
    pairs = [("Steps", f"{s['steps']:,} on {s['rows']:,} rows ({epochs:.4g} epochs)")]
    seen = s.get("seen", 0)  # not in fine-tunes of earlier versions
    pairs += [
        (plain(m.called(seen)), plain(m.written(s[key], s))) for key, m in metrics.known(s).items()
    ]
    widgets.facts(*pairs)
    if warning := s.get("warning", ""):
        st.warning(plain(warning))
    overlap.tell(s.get("overlap", ""), warns=seen > 0)
    dataset = artifact.ancestor("selection").ancestor("dataset")
    overlap.side_by_side(artifact.path, artifact.parents["test"], dataset.id, "trained row")
    st.caption(
        f"{how_answers_ended(s)}Tested on {plain(s['test'])}; "
        f"took {duration(artifact.manifest['seconds'])}. "
        "Balanced loss is the mean over sources, so that large sources do not drown small ones."
    )


def how_answers_ended(scores: dict[str, Any]) -> str:
    """Count the answers that did not simply end, with their denominator."""
    odd = {
        "ran on to a next question": scores.get("ran_on", 0),
        "ended at the length limit": scores.get("at_limit", 0),
        "have no gold": scores.get("no_gold", 0),
    }
    told = [f"{n:,} of {scores['decoded']:,} {what}" for what, n in odd.items() if n]
    return f"Answers: {'; '.join(told)}. " if told else ""


def answer_notes(record: dict[str, Any]) -> str:
    """Say what was compared with the expected answer, and what is odd about it."""
    taken = f"{record['extracted']!r} ({record['where']})" if record["extracted"] else "no answer"
    notes = [f"compared as {record['matcher']}: {taken}"]
    if record["ran_on"]:
        notes.append("ran on to a next question, which was cut off")
    if record["at_limit"]:
        notes.append("ended at the length limit")
    if record["right"] != record["right_as_is"]:
        notes.append(f"{'right' if record['right_as_is'] else 'wrong'} without the cut")
    return "; ".join(notes)


def answers(artifact: Artifact) -> None:
    """Read what the model answered."""
    records = list(read_jsonl(artifact.path / "generations.jsonl"))
    if not records:
        st.caption("No answers were decoded.")
        return
    only = st.segmented_control("Show", ["All", "Right", "Wrong"], default="All", required=True)
    wanted = [r for r in records if only == "All" or r["right"] == (only == "Right")]
    if not wanted:
        st.caption("None.")
        return
    pages = -(-len(wanted) // reader.PER_PAGE)
    page = st.pagination(pages, key="answers") if pages > 1 else 1
    for r in wanted[(page - 1) * reader.PER_PAGE : page * reader.PER_PAGE]:
        with st.container(border=True):
            st.text(f"{'right' if r['right'] else 'wrong'}   {r['source']}   id {r['id']}")
            if "where" in r:  # not in fine-tunes of earlier versions
                st.text(answer_notes(r))
            columns = st.columns(3)
            for column, (title, key) in zip(
                columns,
                (("Question", "prompt"), ("Expected", "answer"), ("Answered", "said")),
                strict=True,
            ):
                column.caption(title)
                column.code(reader.cut(str(r[key])) or "(nothing)", language=None, wrap_lines=True)
            if r.get("asked"):
                with st.expander("The prompt as the model read it"):
                    st.code(reader.cut(r["asked"]), language=None, wrap_lines=True)


def table(runs: list[Entry]) -> None:
    """List the runs so far."""
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "run": e.name,
                    "rows": e.summary["rows"],
                    "steps": e.summary["steps"],
                    **{key: e.summary.get(key) for key in metrics.METRICS},
                    "test rows also trained on": e.summary.get("seen"),
                    "items answered": e.summary.get("decoded"),
                    "training took": duration(e.summary.get("train_seconds")),
                    "id": e.id,
                }
                for e in runs
            ]
        ),
        hide_index=True,
        column_config=widgets.metric_columns(),
    )


widgets.title(
    "Fine-tune", "The target is trained on the selected rows only and tested on rows held out."
)
selection = widgets.chips("selection")["selection"]
if selection is None:
    widgets.empty(
        "filter_alt",
        "A target is trained on a selection; save one first.",
        "Set a budget",
        "selection",
    )
    st.stop()
workspace = state.workspace()
dataset = selection.ancestor("dataset")
job = jobs.newest(state.workspace(), "finetune", selection=selection.id)
tried = [e for e in state.sealed("finetune") if e.summary["rows"]]
runs = tried[:50]
of_this = [e for e in runs if e.parents.get("selection") == selection.id]
mine = [workspace.open(e.id, e.kind) for e in of_this[:SHOWN]]
left, right = st.columns([1.2, 2.6], gap="large")
with left:
    if "clusters" in selection.parents:
        widgets.next_step("Compare selections", "study", clusters=selection.parents["clusters"])
    with st.container(border=True):
        st.markdown("**Train a target**")
        settings = forms.form(finetune.Settings, FORM, fixed={"selection": selection.id})
        if settings is not None:
            meant = finetune.resolve(settings)
            steps = finetune.steps_of(meant, selection.summary["rows"])
            st.caption(
                f"{size_of(meant.model, selection)}{steps:,} steps of {meant.batch_size:,} rows"
            )
            if not (settings.eval or dataset.summary.get("holdout_rows")):
                st.warning("No rows were held out at import: name a test file under Test set.")
            if st.button(
                "Start fine-tune",
                type="primary",
                width="stretch",
                disabled=job is not None and job.state in jobs.ACTIVE,
            ):  # not on_click: its arguments would be those before a last edit
                launch(settings)
                st.rerun()
            job_card.command("finetune", settings)
with right:
    if job is not None and job.state != "done":
        job_card.card(job)
        if job.state in jobs.ACTIVE:
            st.fragment(live, run_every=2.0)(job, selection)
    named = st.query_params.get("finetune")
    shown = state.current("finetune") if named else (mine[0] if mine else None)
    if shown is not None and (job is None or job.state not in jobs.ACTIVE):
        st.text(shown.name)
        scores(shown)
        curves = {a.name: data.metrics(a.path) for a in (mine or [shown])}
        st.plotly_chart(loss_charts.finetune_curves(curves))
        with st.expander("Read its answers", icon=":material/chat:"):
            answers(shown)
    elif shown is None and job is None:
        st.info(
            "The training loss will appear here as it falls, then the held-out scores and the "
            "model's own answers. Press Start fine-tune.",
            icon=":material/model_training:",
        )
if runs:
    st.subheader("Runs so far", anchor=False)
    table(runs)
