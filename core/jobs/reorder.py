"""The order in which waiting jobs get their turn, as a person wants it."""

from __future__ import annotations

import os

from core.errors import InputError
from core.jobs import devices
from core.jobs.queue import jobs, status
from core.jobs.record import PLACE, Job, folder_of, lock_submit
from core.workspace.files import write_json
from core.workspace.roles import editors
from core.workspace.store import Workspace


def waiting(workspace: Workspace, device: str) -> list[Job]:
    """List the jobs that wait for a device, the next one first."""
    there = (j for j in jobs(workspace) if j.state == "queued")
    return sorted((j for j in there if devices.shared(j.device, device)), key=lambda j: j.turn)


@editors("change the queue")
def move(workspace: Workspace, id: str, places: int) -> None:
    """Let a waiting job go before others of its device: so many places up, or down if below 0.

    One that begins meanwhile is not held back.

    Raises:
        InputError: it does not wait any more.
        OSError: the workspace cannot be written.
    """
    lock = lock_submit(workspace.root / "jobs")
    try:
        line = waiting(workspace, status(workspace, id).device)
        at = next((i for i, job in enumerate(line) if job.id == id), None)
        if at is None:
            raise InputError(f"job {id} does not wait any more; it began or has ended")
        line.insert(max(0, at - places), line.pop(at))
        for i, job in enumerate(line):
            write_json(folder_of(workspace, job.id) / PLACE, {"place": i})
    finally:
        os.close(lock)
