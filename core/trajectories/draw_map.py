"""Order the map of trajectories from a process that was warmed up beside the training."""

from __future__ import annotations

from typing import Any

from core.jobs.progress import say
from core.jobs.warm_process import WarmProcess
from core.workspace.store import Workspace

WORKER = "core.layout.worker"
"""Started by its name: layouts are made from trajectories, so nothing here imports them."""


def warm_up(workspace: Workspace) -> WarmProcess:
    """Start the process that draws, so that it compiles while something else is at work."""
    return WarmProcess(WORKER, str(workspace.root))


def draw(process: WarmProcess, trajectories: str, **settings: Any) -> None:
    """Make the layout of these trajectories, or say that it could not be made."""
    if not process.send({"trajectories": trajectories, **settings}):
        say("the map could not be drawn; the clusters page offers it again")
