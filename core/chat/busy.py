"""What else computes on the device of the chat while people talk."""

from __future__ import annotations

from core.jobs import Job, devices, jobs
from core.workspace.store import Workspace


def busy(workspace: Workspace) -> list[Job]:
    """Return the jobs that compute where the chat does: an answer beside them is slower."""
    ours = devices.devices()[0]
    return [j for j in jobs(workspace) if j.state in ("running", "stopping") and j.device == ours]
