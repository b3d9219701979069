"""Files on the server: only what lies below the allowed folder can be named in the browser."""

from __future__ import annotations

import os
import pathlib

import streamlit as st

from dashboard import state

ALLOWED = pathlib.Path(os.environ.get("S2L_DATA") or state.ROOT).expanduser().resolve()
SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")


def path(key: str, *, folders: bool = False) -> str:
    """Ask for a path below the allowed folder; return it, or "" and say what is wrong with it.

    Args:
        key: Of the widget.
        folders: Whether a folder will do.
    """
    text = st.text_input(
        "Path on the server",
        key=key,
        placeholder="file or folder" if folders else "file name or path",
        help=f"What lies below {ALLOWED} can be read; set S2L_DATA to allow another folder",
        persist_state="session",
    ).strip()
    if not text:
        return ""
    found = (ALLOWED / text).resolve()
    if not found.is_relative_to(ALLOWED):
        st.error(f"Only files below {ALLOWED} can be read; S2L_DATA names the allowed folder.")
        return ""
    if not (found.is_file() or (folders and found.is_dir())):
        near = sorted(p.name for s in SUFFIXES for p in ALLOWED.glob(f"*{s}"))
        st.error(f"There is no file {found}. Here: {', '.join(near[:10]) or 'no data files'}.")
        return ""
    return str(found)
