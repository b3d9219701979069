"""The tab "Doctor": what deserves a look before anything is trained, each with its way out."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core import edits
from core.dataset.artifact import DatasetSummary
from core.errors import InputError
from core.model import loading
from core.model.chat_template import Refused
from core.model.token_roles import pieces
from core.review.doctor import Patient, check_template, examine
from core.review.text_checks import check_texts
from core.trajectories.row_checks import Finding
from core.workspace.artifact import Artifact
from dashboard.escape import plain
from dashboard.frame import access, data, reader, state
from dashboard.frame.page_words import plain_words, said
from dashboard.frame.titles import settle

MANY = 50_000
"""Rows above which nothing is rendered unasked."""
SEEN_BY = "dataset:doctor:model"


@st.cache_resource(max_entries=4, show_spinner="Reading all texts")
def of_texts(id: str) -> list[Finding]:
    """Return what there is to say of a dataset's texts."""
    return check_texts(state.workspace().open(id, "dataset"))


@st.cache_resource(max_entries=4, show_spinner="Rendering every row as training will")
def of_model(id: str, model: str, template: str, max_length: int | str) -> Patient:
    """Return a dataset as a model sees it."""
    workspace = state.workspace()
    dataset = workspace.open(id, "dataset")
    return examine(workspace, dataset, model, template, max_length)


def doctor(artifact: Artifact) -> None:
    """Show every check with its rows, and one row as the model sees it."""
    if problem := st.session_state.pop("edits:error", ""):
        st.error(plain_words(problem), icon=":material/error:")
    patient = _patient(artifact)
    of_template = check_template(patient) if patient is not None else []
    findings = [*of_template, *of_texts(artifact.id)]
    looks = [f for f in findings if f.remedy or len(f.rows)]
    well = [f for f in findings if not (f.remedy or len(f.rows))]
    st.caption(
        f"{len(looks)} of {len(findings)} checks show rows to look at. Nothing is removed unless "
        "you say so, and what you exclude can be included again."
    )
    for finding in looks:
        _finding(finding, artifact.id)
    with st.expander(f"{len(well)} checks passed", icon=":material/check_circle:"):
        for finding in well:
            st.markdown(f"**{plain(finding.title)}**: {plain(finding.sentence)}")
    if patient is not None:
        _one_row(patient)


def _patient(artifact: Artifact) -> Patient | None:
    """Ask which model; render for it, unless there are very many rows and nobody asked."""
    trained = {
        e.id: f"proxy {e.name}"
        for e in state.workspace().recent("trajectories")
        if e.state == "sealed"
        and e.parents.get("dataset") == artifact.id
        and (state.workspace().find(e.id) / "proxy").is_dir()
    }
    names = state.distinct(trained)
    settle(SEEN_BY, names)
    chosen = st.selectbox(
        "As seen by",
        [*names, *dict.fromkeys((*loading.PROXIES, *loading.TARGETS))],
        format_func=lambda name: names.get(name, name),
        key=SEEN_BY,
        accept_new_options=True,
        help="Its tokenizer, chat template and longest row count. Type the id or the folder of any "
        "other model",
    )
    rows = int(artifact.summary_as(DatasetSummary)["rows"])
    if rows > MANY and not st.button(f"Render all {rows:,} rows", icon=":material/stethoscope:"):
        return None
    try:
        if chosen in names:
            proxy = state.workspace().open(chosen, "trajectories")
            folder, config = str(proxy.path / "proxy"), proxy.config
            length = int(config["max_length"])
            return of_model(artifact.id, folder, str(config["template"]), length)
        return of_model(artifact.id, access.check("model", str(chosen)), "auto", "auto")
    except InputError as e:
        st.warning(plain_words(str(e)), icon=":material/warning:")
        return None


def _finding(finding: Finding, dataset: str) -> None:
    """Show one check with its rows and what to do."""
    edited = data.edits(dataset)
    n = len(finding.rows)
    left = n - int(np.isin(finding.rows, edited.excluded).sum())
    icon = "error" if finding.remedy else "straighten"
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f":material/{icon}: **{plain(finding.title)}**  \n{plain(finding.sentence)} "
                f"{plain_words(finding.remedy)}"
            )
            shown = n and st.toggle("Read", key=f"doctor:read:{finding.name}")
            if left:
                st.button(
                    f"Exclude {left:,}",
                    key=f"doctor:exclude:{finding.name}",
                    help="Leave them out of selections; nothing is deleted",
                    on_click=_exclude,
                    args=(dataset, finding),
                )
            elif n:
                st.caption("all excluded")
        if shown:
            reader.reader(dataset, finding.rows.tolist(), f"doctor:{finding.name}")


def _exclude(dataset: str, finding: Finding) -> None:
    try:
        edits.exclude(
            state.workspace(), dataset, finding.rows, why=finding.title, user=state.user()
        )
    except (InputError, OSError) as e:
        st.session_state["edits:error"] = said(e)


def _one_row(patient: Patient) -> None:
    """Show a row token by token: what is trained, what is read, what is cut."""
    st.markdown("**One row, token by token**")
    rows = int(patient.dataset.summary_as(DatasetSummary)["rows"])
    row = st.number_input("Row", 0, rows - 1, 0, key="dataset:doctor:row", width=160)
    most = patient.tokens.max_length
    st.caption(
        "Each shade is a token. Blue is trained, grey is only read; struck through lies beyond "
        f"{most:,} tokens and is cut."
    )
    examples = data.examples(patient.dataset.id, [int(row)], "row, messages")
    try:
        parts = pieces(
            patient.tokenizer,
            patient.render,
            examples["messages"].iloc[0],
            patient.template,
            most,
        )
    except Refused as e:
        st.warning(plain_words(f"Not trained: {e}"), icon=":material/warning:")
        return
    st.html(reader.coloured(parts))
