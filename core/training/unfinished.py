"""A run that was begun before and can go on."""

from __future__ import annotations

from typing import Any

from core.model import loading
from core.workspace.artifact import Kind
from core.workspace.draft import Draft
from core.workspace.store import Workspace


def unfinished(workspace: Workspace, kind: Kind, key: str, settings: Any) -> Draft | None:
    """Return the draft that a run goes on with: if asked to, and if its model is still the same.

    Raises:
        InputError: a process is at work on it.
    """
    s = settings
    draft = workspace.unfinished(kind, key, s.name) if s.resume else None
    if draft and loading.changed_since(s.model, draft.run["id"], draft.run["created"]):
        draft.lock.close()
        return None
    return draft
