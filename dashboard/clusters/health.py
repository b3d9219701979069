"""The tab "Health": rows that are doubtful, with what to do."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core import edits
from core.dataset import duplicates
from core.dataset.artifact import examples_file
from core.trajectories import row_checks
from core.workspace.artifact import Artifact
from dashboard.clusters.edit_bar import clear, edit
from dashboard.escape import plain
from dashboard.frame import data, state
from dashboard.frame.page_words import plain_words


@st.cache_resource(max_entries=6, show_spinner="Looking for trouble in the rows")
def findings(id: str) -> list[row_checks.Finding]:
    """Return what is doubtful about the rows of a trajectories artifact."""
    workspace = state.workspace()
    dataset = workspace.open(id).ancestor("dataset")
    copies = duplicates.duplicates(examples_file(dataset))
    start = data.steps(id)[0] == 0
    return row_checks.screen(data.flags(id), data.losses(id), copies, start=start)


def health(artifact: Artifact, dataset: str) -> None:
    """List what is doubtful about the rows, each with its examples and a way out."""
    edited = data.edits(dataset)
    st.caption("What to look at before clusters are trusted. Nothing is removed unless you say so.")
    for finding in findings(artifact.id):
        n = len(finding.rows)
        left = n - int(np.isin(finding.rows, edited.excluded).sum())
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            icon = "check_circle" if not n else "error"
            st.markdown(
                f":material/{icon}: **{plain(finding.title)}**  \n{plain(finding.sentence)} "
                f"{plain_words(finding.remedy)}"
            )
            if n:
                st.button(
                    "Read them", key=f"read:{finding.name}", on_click=_read, args=(finding.title,)
                )
            if left:
                st.button(
                    f"Exclude {left:,}",
                    key=f"exclude:{finding.name}",
                    on_click=edit,
                    args=(edits.exclude, dataset, finding.rows),
                    kwargs={"why": finding.title},
                )
            elif n:
                st.caption("all excluded")


def _read(title: str) -> None:
    clear()
    st.session_state["clusters:finding"] = title
    st.session_state["clusters:tab"] = "Read examples"
