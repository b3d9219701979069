"""Files on the server: only what lies below the allowed folder can be named in the browser."""

from __future__ import annotations

import os
import pathlib

import streamlit as st

from core.dataset.readers import SUFFIXES
from core.workspace.files import ROOT
from dashboard.escape import plain


def allowed() -> pathlib.Path:
    """Return the folder below which files may be read (S2L_DATA, else this repository's)."""
    return pathlib.Path(os.environ.get("S2L_DATA") or ROOT).expanduser().resolve()


def path(key: str, *, folders: bool = False, suffixes: tuple[str, ...] = SUFFIXES) -> str:
    """Ask for a path below the allowed folder; return it, or "" and say what is wrong with it.

    Args:
        key: Of the widget.
        folders: Whether a folder will do.
        suffixes: Of the files that are named when what was typed is not there.
    """
    root = allowed()
    text = st.text_input(
        "Path on the server",
        key=key,
        placeholder="file or folder" if folders else "file name or path",
        help=f"What lies below {plain(root)} can be read; set S2L_DATA to allow another folder",
        persist_state="session",
    ).strip()
    if not text:
        return ""
    found = (root / text).resolve()
    if not found.is_relative_to(root):
        st.error(f"Only files below {plain(root)} can be read; S2L_DATA names the allowed folder.")
        return ""
    if not (found.is_file() or (folders and found.is_dir())):
        near = sorted(p.name for s in suffixes for p in root.glob(f"*{s}"))
        st.error(
            plain(f"There is no file {found}. Here: {', '.join(near[:10]) or 'no data files'}.")
        )
        return ""
    return str(found)
