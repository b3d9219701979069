"""What a story is about: the newest study, else what is newest further up."""

from __future__ import annotations

import contextlib

from core.errors import InputError
from core.report.project import Project as Project
from core.report.project import of as of
from core.workspace.artifact import Entry
from dashboard.frame import state

DOWNSTREAM = ("study", "selection", "clusters", "trajectories", "dataset")
"""The newest usable artifact of the first kind that there is settles the project."""


def newest(usable: list[Entry]) -> Project | None:
    """Return the project of the newest study, else of the newest artifact further up."""
    for kind in DOWNSTREAM:
        for entry in usable:
            if entry.kind == kind:
                with contextlib.suppress(InputError):
                    return of(state.workspace().open(entry.id))
    return None
