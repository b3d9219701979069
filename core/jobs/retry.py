"""Starting an ended job's run again: as it was, or with the settings that mend its failure."""

from __future__ import annotations

import dataclasses
from typing import Any

from core.errors import InputError
from core.jobs import devices
from core.jobs.commands import can_resume, noun_of, settings_of
from core.jobs.failures import FAILURES, mended
from core.jobs.files import load_spec
from core.jobs.launchers import device_for
from core.jobs.queue import jobs, status, submit
from core.jobs.record import NO_QUEUE, Job, folder_of
from core.settings import to_argv
from core.workspace.store import Workspace


def resume(workspace: Workspace, id: str) -> str:
    """Start an ended job's run again, from its last saved checkpoint; return the new job's id.

    Raises:
        InputError: there is no such job, or what it does cannot be continued.
        OSError: the workspace cannot be written.
    """
    job = status(workspace, id)
    if not can_resume(job):
        raise InputError(f"{job.title} cannot be resumed; start it again")
    return _again(workspace, job, settings_of(job))


def fixed(job: Job) -> Any:
    """Return the settings with which a failed job's run may go well; None where none mends it.

    They are the job's own where going on from the last checkpoint is the mend.
    """
    asked = settings_of(job)
    if asked is None or not job.failure:
        return None
    again = job.failure in FAILURES and FAILURES[job.failure].again and can_resume(job)
    return mended(job.failure, asked, job.fix) or (asked if again else None)


def retry(workspace: Workspace, id: str) -> str:
    """Start a failed job's run again with the settings that mend it; return the new job's id.

    A run whose result the fix does not change goes on from its last saved checkpoint.

    Raises:
        InputError: there is no such job, or no setting mends its failure.
        OSError: the workspace cannot be written.
    """
    job = status(workspace, id)
    if (asked := fixed(job)) is None:
        raise InputError(f"{job.title} has no failure that a setting mends; start it again")
    return _again(workspace, job, asked)


def _again(workspace: Workspace, job: Job, settings: Any) -> str:
    if can_resume(job):
        settings = dataclasses.replace(settings, resume=True)
    argv = [noun_of(job), *to_argv(settings)]
    return submit(workspace, argv, title=job.title, device=_device(workspace, job), user=job.user)


def _device(workspace: Workspace, job: Job) -> str:
    """Return the device a job had, if it was given it by name and it is still there."""
    spec = load_spec(folder_of(workspace, job.id))
    there = set(devices.parts(job.device)) <= set(devices.devices())
    if job.device in NO_QUEUE or (there and "environment" in spec):
        return job.device
    return device_for(jobs(workspace), noun_of(job), settings_of(job))
