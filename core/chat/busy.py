"""What else computes on this machine while people chat."""

from __future__ import annotations

from core.jobs import Job, jobs
from core.jobs.record import NO_QUEUE
from core.workspace.store import Workspace


def busy(workspace: Workspace) -> list[Job]:
    """Return the jobs that compute now: an answer beside them is slower, and memory is shared."""
    states = ("running", "stopping")
    return [j for j in jobs(workspace) if j.state in states and j.device not in NO_QUEUE]
