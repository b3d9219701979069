"""Decisions about rows and the number of clusters: exclude, pin, note, undo; health; which K.

Nothing is deleted: decisions are entries of the dataset's edit log, which selections honour.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from core import edits
from core.arrays import Ints
from core.edits.state import Edits
from core.errors import InputError
from dashboard.clusters import picked_rows
from dashboard.escape import plain
from dashboard.frame import data, state
from dashboard.frame.page_words import plain_words, said


def edit(change: Callable[..., Edits], *args: Any, **named: Any) -> None:
    """Make an edit in the name of who is logged in; a failed one is said on the page."""
    try:
        change(state.workspace(), *args, user=state.user(), **named)
    except (InputError, OSError) as e:
        st.session_state["edits:error"] = said(e)


def bar(dataset: str, picked: picked_rows.Picked) -> None:
    """Offer what can be done with all picked rows, and to undo what was done last."""
    edited = data.edits(dataset)
    rows = picked.rows
    n = len(rows)
    if problem := st.session_state.pop("edits:error", ""):
        st.error(plain_words(problem), icon=":material/error:")
    with st.container(horizontal=True, vertical_alignment="center"):
        if picked.words:
            st.markdown(plain(picked.words))
            st.button("Clear", icon=":material/close:", on_click=clear, type="tertiary")
        if n:
            out = int(np.isin(rows, edited.excluded).sum())
            pinned = int(np.isin(rows, edited.pinned).sum())
            why = {"why": picked.words.split(" rows ", 1)[-1]}
            if out < n:
                _act(
                    f"Exclude all {n:,}",
                    "block",
                    edits.exclude,
                    dataset,
                    rows,
                    "Leave them out of selections; nothing is deleted",
                    **why,
                )
            if out:
                _act(
                    f"Include {out:,} again",
                    "add_circle",
                    edits.include,
                    dataset,
                    rows,
                    "Take back that they are excluded",
                )
            if pinned < n:
                _act(
                    f"Pin all {n:,}",
                    "keep",
                    edits.pin,
                    dataset,
                    rows,
                    "Every selection takes them first",
                    **why,
                )
            if pinned:
                _act(
                    f"Unpin {pinned:,}",
                    "keep_off",
                    edits.unpin,
                    dataset,
                    rows,
                    "Selections need not take them",
                )
            if st.button("Note", icon=":material/edit_note:", help="Write a note on all of them"):
                note_dialog(dataset, rows.tolist(), "")
        for label, icon, change, what in (
            ("Undo", "undo", edits.undo, edited.undo),
            ("Redo", "redo", edits.redo, edited.redo),
        ):
            if what:
                st.button(
                    label,
                    key=f"edit:{icon}",  # the help changes with each edit, the button stays itself
                    icon=f":material/{icon}:",
                    on_click=edit,
                    args=(change, dataset),
                    help=f"{label}: {plain(what)}",
                    type="tertiary",
                )
    if len(edited.excluded) or len(edited.pinned):
        st.caption(
            f"{len(edited.excluded):,} rows excluded, {len(edited.pinned):,} pinned; selections "
            "honour both. Colour the map by Mark to see them."
        )


def _act(
    label: str, icon: str, change: Any, dataset: str, rows: Ints, help: str, **named: Any
) -> None:
    st.button(
        label,
        icon=f":material/{icon}:",
        on_click=edit,
        args=(change, dataset, rows),
        kwargs=named,
        help=help,
    )


def clear() -> None:
    """Pick nothing: no area, finding, cluster, search or filter."""
    for key in ("area", "finding", "cluster"):
        st.session_state[f"clusters:{key}"] = None
    st.session_state["clusters:search"] = ""
    st.session_state[picked_rows.FILTERS] = []


@st.dialog("Note")
def note_dialog(dataset: str, rows: list[int], text: str) -> None:
    """Ask for a note on rows."""
    written = st.text_area(f"On {len(rows):,} rows; empty takes the note away", text)
    if st.button("Save", type="primary"):
        edit(edits.note, dataset, rows, written.strip())
        st.rerun()


def row_buttons(dataset: str, row: int, edited: Edits) -> None:
    """Offer to exclude, pin or note one row."""
    out = bool(np.isin(row, edited.excluded))
    pinned = bool(np.isin(row, edited.pinned))
    with st.container(horizontal=True):
        for name, icon, on, change, back, said in (
            ("Exclude", "block", out, edits.exclude, edits.include, "Excluded · include again"),
            ("Pin", "keep", pinned, edits.pin, edits.unpin, "Pinned · unpin"),
        ):
            pressed = st.button(
                said if on else name,
                key=f"row:{name}:{row}",
                type="tertiary",
                icon=f":material/{icon}:",
            )
            if pressed:
                edit(back if on else change, dataset, [row])
                st.rerun()  # the whole page: what can be undone stands outside the reader
        if st.button("Note", key=f"row:note:{row}", type="tertiary", icon=":material/edit_note:"):
            note_dialog(dataset, [row], edited.notes.get(row, ""))
