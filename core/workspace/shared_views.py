"""Views that people share: what was drawn on a map, kept under a short name that a link can carry.

Equal views have equal names, so nothing is written twice and nothing is ever changed.
"""

from __future__ import annotations

import re
from typing import Any

from core.errors import InputError
from core.workspace.files import fingerprint, read_json, write_json
from core.workspace.store import Workspace

FOLDER = "views"


def save(workspace: Workspace, view: dict[str, Any]) -> str:
    """Keep a view (plain data) and return its name, 16 hex digits.

    Raises:
        OSError: the workspace cannot be written.
    """
    name = fingerprint("view", view)
    path = workspace.root / FOLDER / f"{name}.json"
    if not path.exists():
        write_json(path, view)
    return name


def is_name(text: str) -> bool:
    """Say whether a text can be the name of a view."""
    return re.fullmatch(r"[0-9a-f]{16}", text) is not None


def load(workspace: Workspace, name: str) -> dict[str, Any]:
    """Return a view.

    Raises:
        InputError: there is none of this name.
    """
    view = None
    if is_name(name):
        view = read_json(workspace.root / FOLDER / f"{name}.json")
    if view is None:
        raise InputError(f"no view {name!r:.200} in {workspace.root}; ask for the link again")
    return view
