"""The newest artifacts on the home page: open, rename, tag, delete."""

from __future__ import annotations

import streamlit as st

from core.edits import labels
from core.edits.labels import Label
from core.errors import InputError
from core.workspace.artifact import Entry
from dashboard.escape import plain
from dashboard.frame import state
from dashboard.frame.page_words import plain_words
from dashboard.story import own_runs
from dashboard.story.lineage import PAGES

SHOWN = 8
LINE = (2, 7, 1, 1.3)
"""Widths of a line: when it was made, what it is, Open, Change."""


def draw(usable: list[Entry], given: dict[str, Label]) -> None:
    """List the newest artifacts, those with a chosen tag where one is chosen."""
    st.subheader("Recent", anchor=False)
    tags = sorted({tag for e in usable if e.id in given for tag in given[e.id].tags})
    if tags:
        chosen = st.pills("With the tag", tags, format_func=plain, key="recent:tag")
        usable = [e for e in usable if not chosen or chosen in given.get(e.id, Label()).tags]
    own = own_runs.of_studies(usable, given)
    hidden = {e.id for runs in own.values() for e in runs}
    usable = [e for e in usable if e.id not in hidden]
    for entry in usable[:SHOWN]:
        _line(entry, given.get(entry.id, Label()), tags, own_runs.counted(own.get(entry.id, ())))
    if len(usable) > SHOWN:
        st.caption(f"The newest {SHOWN} of {len(usable):,}; all are listed below.")


def _line(entry: Entry, label: Label, tags: list[str], own: str) -> None:
    page = PAGES.get(entry.kind, entry.kind)
    when, what, opened, changed = st.columns(LINE, vertical_alignment="center", gap="small")
    when.text(f"{entry.created[:16].replace('T', ' ')} UTC")
    words = f"{plain(entry.kind)} **{plain(label.name or entry.name)}**"
    marks = " ".join(f":gray-badge[{plain(tag)}]" for tag in label.tags)
    with_own = f" :gray[with {plain(own)}]" if own else ""
    what.markdown(f"{words}{with_own} {marks}")
    if opened.button("Open", key=f"open:{entry.id}", width="stretch"):
        state.go(page, **{entry.kind: entry.id})
    with changed.popover("Change", key=f"change:{entry.id}", width="stretch"):
        _change(entry, label, tags)


def _change(entry: Entry, label: Label, tags: list[str]) -> None:
    with st.form(f"label:{entry.id}", border=False):
        name = st.text_input(
            "Name",
            label.name or entry.name,
            key=f"name:{entry.id}",
            max_chars=labels.LONGEST,
            help="Kept beside the artifact: its id, its links and what is made from it stay",
        )
        chosen = st.multiselect(
            "Tags",
            tags,
            list(label.tags),
            key=f"tags:{entry.id}",
            accept_new_options=True,
            max_selections=labels.MOST_TAGS,
        )
        saved = st.form_submit_button("Save", type="primary")
    deleted = st.button("Delete", key=f"delete:{entry.id}", icon=":material/delete:")
    st.caption(plain(entry.id))
    try:
        if saved:
            own = "" if name.strip() == entry.name else name
            labels.write(state.workspace(), entry.id, own, chosen)
        if deleted:
            state.workspace().delete(entry.id)
    except InputError as e:
        st.error(plain_words(str(e)), icon=":material/error:")
        return
    if saved or deleted:
        st.rerun()
