"""Trajectories: trained here, by several processes, taken from files, or extended by new rows."""

from __future__ import annotations

from core.jobs.launchers import launched
from core.trajectories.settings import Settings
from core.workspace.store import Workspace


def run(workspace: Workspace, settings: Settings) -> str:
    """Record every example's loss; return the id.

    Raises:
        InputError: bad settings, an unreadable model or file, or a run too long to begin unasked.
        Stopped: asked to stop; what was saved can be resumed.
    """
    if settings.extend:
        from core.trajectories import extend

        return extend.run(workspace, settings)
    if settings.source:
        from core.trajectories import from_files

        return from_files.run(workspace, settings)
    from core.trajectories import train

    return launched("trajectories", workspace, settings) or train.run(workspace, settings)
