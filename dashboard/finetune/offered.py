"""Which selection the fine-tune page begins with, when its address names none."""

from __future__ import annotations

import contextlib

import streamlit as st

from core.errors import InputError
from core.workspace.artifact import Entry
from core.workspace.store import Workspace
from dashboard.frame import state


def settle() -> None:
    """Write into the address the selection that this page is about, if it names none.

    That of the fine-tune named, else the one that was opened last, else the one to train on next.
    """
    if st.query_params.get("selection"):
        return
    workspace = state.workspace()
    if named := st.query_params.get("finetune"):
        with contextlib.suppress(InputError):
            st.query_params["selection"] = workspace.open(named, "finetune").parents["selection"]
            return
    if id := next_one(workspace, st.session_state.get("current:selection")):
        st.query_params["selection"] = id


def next_one(workspace: Workspace, opened: str | None = None) -> str:
    """Return the selection to train on next; "" where there is none.

    The newest by s2l that has no fine-tune yet, then any by s2l, any other, and the whole pool
    last. The one `opened` last goes before; not one of another strategy that was trained on, as
    the arms of a study are, and not the whole pool.
    """
    tried = {e.parents.get("selection") for e in workspace.recent("finetune")}

    def rank(entry: Entry) -> tuple[bool, ...]:
        strategy, before = entry.config.get("strategy"), entry.id in tried
        meant = entry.id == opened and (strategy == "s2l" or not before)
        return strategy == "full", not meant, strategy != "s2l", before

    selections = [e for e in workspace.recent("selection") if e.state == "sealed"]
    for entry in sorted(selections, key=rank):  # newest first otherwise
        with contextlib.suppress(InputError):
            artifact = workspace.open(entry.id, "selection")
            artifact.ancestor("dataset")
            return entry.id
    return ""
