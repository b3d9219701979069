"""A field for rows that stand elsewhere: a dataset of the workspace, or a file pages may read."""

from __future__ import annotations

import os
import pathlib

import streamlit as st

from core.dataset.artifact import DatasetSummary
from core.dataset.readers import SUFFIXES
from core.workspace.artifact import Artifact
from dashboard.escape import one_line
from dashboard.frame import access, allowed, server_files, state
from dashboard.frame.titles import settle


def pick(label: str, key: str, dataset: Artifact, *, none: str, help: str) -> str:
    """Ask for a dataset or file; return it as a job may be given it, "" for none.

    Args:
        dataset: Not offered: the one at work.
        none: What to call no other rows.
        help: Beside the field.

    Raises:
        InputError: what was typed is none that a page may name.
    """
    names = {"": none}
    for entry in state.sealed("dataset"):
        if entry.id != dataset.id:
            names[entry.id] = (
                f"{one_line(entry.name, 40)}, all {entry.summary_as(DatasetSummary)['rows']:,} rows"
            )
    names |= {path: f"file {path}" for path in _files(tuple(map(str, allowed.folders())))}
    settle(key, names)
    held = st.session_state.get(key)
    options = list(dict.fromkeys([*names, *filter(None, [held])]))
    chosen = st.selectbox(
        label,
        options,
        format_func=lambda option: names.get(option, str(option)),
        accept_new_options=True,
        key=key,
        persist_state="session",
        help=help,
    )
    return access.check("test set", str(chosen or "").strip())


@st.cache_data(ttl=20, max_entries=8, show_spinner=False)
def _files(folders: tuple[str, ...]) -> list[str]:
    listing = server_files.listed([pathlib.Path(folder) for folder in folders], SUFFIXES, ())
    return [path for path in listing.paths if not path.endswith(os.sep)]
