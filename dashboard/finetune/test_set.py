"""The test set of a fine-tune: chosen among held-out rows, datasets and files, with its overlap."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from core.dataset.artifact import DatasetSummary
from core.dataset.overlap import describe
from core.errors import InputError
from core.evaluations.load import load
from core.finetune.seen import seen
from core.selection.artifact import SelectionSummary, load_rows
from core.spec import Spec
from core.workspace.artifact import Artifact, is_id
from core.workspace.files import explain_os_error
from dashboard.escape import one_line
from dashboard.frame import access, dataset_or_file, overlap, state
from dashboard.frame.page_words import plain_words

COMPARED = 200_000
"""Rows of pool and test set up to which they are compared without being asked."""


class ChosenTest(NamedTuple):
    """A test set as the form knows it."""

    rows: int | None
    """None where a file has not been read yet."""
    title: str


def pick(spec: Spec, key: str, dataset: Artifact) -> str:
    """Ask for a test set; return it as a job may be given it.

    Raises:
        InputError: what was typed is none that a page may name.
    """
    held_out = dataset.summary_as(DatasetSummary).get("holdout_rows") or 0
    held_out_rows = f"{held_out:,} held-out rows of {one_line(dataset.name, 40)}"
    if not held_out:
        held_out_rows = "none: no rows were held out at import"
    return dataset_or_file.pick(
        spec.label,
        key,
        dataset,
        none=held_out_rows,
        help="What the target is tested on: rows it is not trained on. Choose a dataset of this "
        "workspace or a file, or type a path",
    )


def about(text: str, dataset: Artifact, selection: Artifact, key: str) -> ChosenTest:
    """Show how many rows a test set has and how many of them the pool gives away."""
    if not text:
        rows = int(dataset.summary_as(DatasetSummary).get("holdout_rows") or 0)
        if not rows:
            st.warning("No rows were held out at import: choose a dataset or a file to test on.")
        else:
            _compare(dataset.id, "holdout", selection, rows, key)
        return ChosenTest(rows, "held-out rows")
    if not is_id(text) or text not in {e.id for e in state.sealed("dataset")}:
        st.button(
            "Read the file: its rows and overlap",
            key=f"{key}:read",
            icon=":material/visibility:",
            on_click=_read,
            args=(text, key),
            help="Imports it as a dataset of this workspace, as the fine-tune would",
        )
        if problem := st.session_state.pop(f"{key}:problem", ""):
            st.error(plain_words(problem), icon=":material/error:")
        return ChosenTest(None, text)
    test = state.workspace().open(text, "dataset")
    rows = int(test.summary_as(DatasetSummary)["rows"])
    _compare(text, "all", selection, rows, key)
    return ChosenTest(rows, test.name)


def _read(text: str, key: str) -> None:
    try:
        test = load(state.workspace(), access.check("test set", text))
        st.session_state[key] = test.dataset.id
    except InputError as e:
        st.session_state[f"{key}:problem"] = str(e)
    except OSError as e:
        st.session_state[f"{key}:problem"] = explain_os_error(e)


def _compare(test: str, split: str, selection: Artifact, rows: int, key: str) -> None:
    rows += selection.summary_as(SelectionSummary)["pool"]
    if rows > COMPARED and not st.button(
        "Count the overlap with the pool", key=f"{key}:compare", icon=":material/compare:"
    ):
        st.caption(f"Overlap not counted yet: {rows:,} rows to compare.")
        return
    trained, pool, items = _overlap(str(state.workspace().root), test, split, selection.id)
    overlap.tell(trained or pool, warns=bool(trained))
    if not (trained or pool):
        st.caption(f"None of its {items:,} rows stands in the pool, nor is one nearly the same.")


@st.cache_data(max_entries=32, show_spinner="Comparing the test set with the pool")
def _overlap(root: str, test: str, split: str, selection: str) -> tuple[str, str, int]:
    """Return what is said of the rows trained on, of the pool, and the test rows."""
    workspace = state.workspace()
    chosen = workspace.open(selection, "selection")
    shared = seen(
        chosen.ancestor("dataset"),
        load_rows(chosen, by="id"),
        workspace.open(test, "dataset"),
        split,
    )
    pool = describe(shared.pool.counts(), "rows of the pool")
    return describe(shared.trained.counts(), "selected rows"), pool, shared.pool.items
