"""A field for a path on the server: chosen among what lies below the allowed folders, or typed."""

from __future__ import annotations

import collections
import os
import pathlib
import time
from typing import NamedTuple

import streamlit as st

from core.dataset.readers import SUFFIXES
from core.dataset.readers.folders import SAVED
from core.errors import InputError
from dashboard.escape import plain
from dashboard.frame import access, allowed, state
from dashboard.frame.page_words import plain_words

SHOWN = 200
"""Paths in the list."""
LOOKED_AT = 20_000
"""Entries of folders that are looked at for the list, those near the top first."""
PATIENCE = 0.5
"""Seconds after which looking ends."""


class Listing(NamedTuple):
    """What there is to choose from."""

    paths: list[str]
    """Newest first, folders with a / at the end."""
    total: int
    whole: bool
    """Whether all folders were looked at."""


def path(key: str, *, suffixes: tuple[str, ...] = SUFFIXES, marks: tuple[str, ...] = SAVED) -> str:
    """Ask for a path below the allowed folders; return it, or "" and say what is wrong with it.

    Args:
        suffixes: Of the files in the list; folders that have such files are in it, too.
        marks: How names begin by which a folder is known that can be read as a whole.
    """
    listing = listed(allowed.folders(), suffixes, marks)
    text = st.selectbox(
        "Path on the server",
        list(dict.fromkeys([*listing.paths, *filter(None, [st.session_state.get(key)])])),
        index=None,
        key=key,
        accept_new_options=True,
        placeholder="Choose, or type a path",
        persist_state="session",
        help="Type to search the list, or a whole path",
    )
    if not text:
        st.caption(plain(_about(listing)))
        return ""
    try:
        return str(access.readable(text.strip()))
    except InputError as e:
        st.error(plain_words(str(e)), icon=":material/error:")
        return ""


def hub_id(key: str) -> str:
    """Ask for a hub dataset; return its id, or "" and say what is wrong with it."""
    text = st.text_input("Hub dataset id", placeholder="owner/name", key=key).strip()
    try:
        return access.hub(text) if text else ""
    except InputError as e:
        st.error(plain_words(str(e)), icon=":material/error:")
        return ""


def _about(listing: Listing) -> str:
    """Say which folders may be read, and how much of what is there the list shows."""
    where = f"What lies below {allowed.where()} can be read ({allowed.VARIABLE})"
    n, shown = listing.total, len(listing.paths)
    count = "nothing" if not n else f"all {n:,}" if shown == n else f"the newest {shown:,} of {n:,}"
    more = "" if listing.whole else "; deeper folders were not looked at"
    return f"{where}. The list has {count}{more}; a path can be typed."


def listed(roots: list[pathlib.Path], suffixes: tuple[str, ...], marks: tuple[str, ...]) -> Listing:
    """List the files of these types below some folders, and the folders that can be read.

    Links to folders are not followed, hidden ones and the workspace are left out.
    """
    home = state.workspace().root.resolve()
    files: list[tuple[float, str]] = []
    waiting = collections.deque((root, root) for root in roots)
    looked, end = 0, time.monotonic() + PATIENCE
    while waiting and looked < LOOKED_AT and time.monotonic() < end:
        folder, root = waiting.popleft()
        readable = False
        for entry in _entries(folder):
            looked += 1
            if entry.is_dir(follow_symlinks=False):
                readable |= entry.name.startswith(marks)
                if pathlib.Path(entry.path) != home:
                    waiting.append((pathlib.Path(entry.path), root))
                continue
            good = entry.name.lower().endswith(suffixes) and entry.is_file()
            readable |= good or entry.name.startswith(marks)
            if good:
                files.append((entry.stat().st_mtime, _shown(entry.path, root, roots)))
        if readable and folder != root:
            files.append((folder.stat().st_mtime, _shown(folder, root, roots) + os.sep))
    files.sort(key=lambda one: (-one[0], one[1]))
    return Listing([name for _, name in files[:SHOWN]], len(files), not waiting)


def _entries(folder: pathlib.Path) -> list[os.DirEntry[str]]:
    """List a folder without what is hidden; nothing where it may not be read."""
    try:
        with os.scandir(folder) as entries:
            return [e for e in entries if not e.name.startswith((".", "__"))]
    except OSError:
        return []


def _shown(path: str | pathlib.Path, root: pathlib.Path, roots: list[pathlib.Path]) -> str:
    """Write a path as it can be typed: from its folder, or whole where that means another one."""
    short = pathlib.Path(path).relative_to(root)
    return str(path if any((r / short).exists() for r in roots[: roots.index(root)]) else short)
