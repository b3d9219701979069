"""Long work as detached jobs: they outlive browser and server, wait their turn, and can be stopped.

`submit` locks the job's files and hands them open to a supervisor, which hands them to the worker:
there is never a moment at which a living job looks lost.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from core.errors import InputError
from core.jobs import devices
from core.jobs.bounds import loosened
from core.jobs.commands import noun_of, settings_of
from core.jobs.files import SPEC, WORKER, folders, load_progress, reserve
from core.jobs.listing import load_all
from core.jobs.progress import DISCARD, SAVED
from core.jobs.record import (
    ACTIVE,
    ENDED,
    NO_QUEUE,
    NOW,
    Job,
    JobState,
    alive,
    folder_of,
    load,
    lock_file,
    lock_submit,
    shell,
)
from core.jobs.tails import newest_records, tail_log
from core.settings import identity
from core.workspace.artifact import new_id, utc_now
from core.workspace.files import ROOT, remove, rename, write_json
from core.workspace.roles import editors, person
from core.workspace.store import Workspace

__all__ = ["ACTIVE", "ENDED", "Job", "JobState"]


@editors("start work")
def submit(
    workspace: Workspace,
    argv: Sequence[str],
    *,
    title: str,
    device: str = "cpu",
    key: str = "",
    user: str = "",
    grace: float = 60.0,
    kill_after: float = 10.0,
) -> str:
    """Start `python -m core <argv>` detached and return the job's id.

    Args:
        device: Of `devices.devices`, several with commas between. Jobs of one device run one after
            the other; "" or "none" never wait.
        key: Idempotency key: one that was used before returns the job it made. Without one, too,
            a queued or running job with the same argv is returned rather than started twice.
        grace: Seconds a worker has to save and exit when asked to stop, before SIGTERM.
        kill_after: Seconds from SIGTERM to SIGKILL.

    Raises:
        InputError: there is no such device here, or a frozen process keeps others from starting.
        OSError: the workspace cannot be written.
    """
    return _spawn(
        workspace,
        _full_argv(workspace, argv),
        title=title,
        device=device,
        key=key,
        user=user or person().name,
        grace=grace,
        kill_after=kill_after,
        environment=devices.environment(device),
    )


@editors("stop work")
def stop(workspace: Workspace, id: str, *, discard: bool = False) -> None:
    """Ask a job to stop; its supervisor goes on to SIGTERM and SIGKILL if it does not.

    A run finishes its step, saves it and is kept, unless it is to be discarded.
    """
    folder = folder_of(workspace, id)
    if load(folder).state not in ACTIVE:
        return
    # no file: its record was deleted meanwhile; taken: the supervisor lives and sees the file
    with contextlib.suppress(FileNotFoundError, BlockingIOError):
        (folder / "STOP").write_text(DISCARD if discard else "", encoding="utf-8")
        fd = lock_file(folder / "supervisor.lock", NOW)
        if (folder / WORKER).exists() and alive(folder):
            _detach(folder, [], (fd,))  # the worker has lost its supervisor: one that only stops
        os.close(fd)


def status(workspace: Workspace, id: str) -> Job:
    """Return what is known of one job.

    Raises:
        InputError: there is none.
    """
    job = load(folder_of(workspace, id))
    if job.state == "lost":
        folder_of(workspace, id)  # unless its record was deleted meanwhile
    if job.state != "queued":
        return job
    return next((j for j in jobs(workspace) if j.id == id), job)


def jobs(workspace: Workspace) -> list[Job]:
    """List all jobs, newest first."""
    listed = load_all(workspace.root / "jobs")
    live = [j for j in listed if j.state in ACTIVE and j.device not in NO_QUEUE]
    ahead = {j.id: sum(_before(o, j) for o in live) for j in live}
    return [
        dataclasses.replace(j, ahead=ahead.get(j.id, 0)) if j.state == "queued" else j
        for j in listed
    ]


def _before(other: Job, job: Job) -> bool:
    first = other.state != "queued" or other.turn < job.turn
    return other.id != job.id and first and devices.shared(other.device, job.device)


def latest(workspace: Workspace, noun: str, settings: Any) -> Job | None:
    """Return the newest job that was started for this run: all that makes it another is equal."""
    run = identity(settings)
    for job in jobs(workspace):
        asked = settings_of(job)
        if noun_of(job) == noun and asked and identity(asked) == run:
            return job
    return None


def newest(workspace: Workspace, noun: str, **about: Any) -> Job | None:
    """Return the newest job of a noun whose settings have these values, whatever the others are."""
    return next(iter(all_about(workspace, noun, **about)), None)


def all_about(workspace: Workspace, noun: str, **about: Any) -> list[Job]:
    """List the jobs of a noun whose settings have these values, newest first."""
    return [
        job
        for job in jobs(workspace)
        if noun_of(job) == noun and (asked := settings_of(job))
        if all(getattr(asked, name) == value for name, value in about.items())
    ]


def saved_step(workspace: Workspace, id: str) -> int:
    """Return the step of its one training that a job can be resumed from; 0 where not known."""
    if noun_of(status(workspace, id)) == "study":  # many trainings
        return 0
    records = load_progress(folder_of(workspace, id))
    return max((int(r[SAVED]) for r in records if SAVED in r), default=0)


def active(workspace: Workspace) -> list[Job]:
    """List the jobs that wait, run or are stopping, newest first."""
    return [j for j in jobs(workspace) if j.state in ACTIVE]


def progress_of(workspace: Workspace, id: str, *, limit: int = 2000) -> list[dict[str, Any]]:
    """Return the progress records, thinned evenly to about `limit`; the last is always there."""
    records = load_progress(folder_of(workspace, id))
    every = math.ceil(len(records) / limit) or 1
    return records[::-1][::every][::-1]


def recent_progress(workspace: Workspace, id: str) -> list[dict[str, Any]]:
    """Return the newest progress records, some hundreds; at a price that does not grow."""
    return newest_records(folder_of(workspace, id))


def log_tail(workspace: Workspace, id: str, lines: int = 200) -> str:
    """Return the last lines of the worker's output; of a redrawn line only the last state."""
    return tail_log(folder_of(workspace, id), lines)


def command(workspace: Workspace, argv: Sequence[str]) -> str:
    """Return the shell command that does what `submit` would start."""
    return shell(_full_argv(workspace, argv))


def wait(workspace: Workspace, id: str, timeout: float) -> Job:
    """Return the job when it has ended.

    Raises:
        TimeoutError: it had not within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while (job := status(workspace, id)).state in ACTIVE:
        if time.monotonic() > deadline:
            raise TimeoutError(f"job {id} is still {job.state} after {timeout:g} s")
        time.sleep(0.05)
    return job


@editors("delete")
def forget(workspace: Workspace, id: str) -> None:
    """Delete the record of an ended job; what it made stays.

    Raises:
        InputError: it is still active.
    """
    folder = folder_of(workspace, id)
    lock = lock_submit(folder.parent)  # who puts the queue in order would make its folder again
    try:
        if (state := load(folder_of(workspace, id)).state) in ACTIVE:
            raise InputError(f"job {id} is {state}; stop it first")
        remove(folder)
    finally:
        os.close(lock)


def _spawn(workspace: Workspace, argv: Sequence[str], **asked: Any) -> str:
    """Start a command detached; what else was asked stands in the job's spec as `submit` has it."""
    folder = workspace.root / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    fds = [lock_submit(folder)]
    try:
        for job in jobs(workspace):
            same = job.state in ("queued", "running") and job.argv == tuple(argv)
            if same or (asked["key"] and job.key == asked["key"]):
                return job.id
        now = utc_now()
        id = new_id(now, [p.name for p in folders(folder)])
        draft = folder / (".new-" + id)  # nobody sees the job before its locks are held
        draft.mkdir()
        moment = now.isoformat(timespec="milliseconds")
        facts = {"id": id, "argv": list(argv), "created": moment, "cwd": str(ROOT)}
        spec = {**facts, "environment": {}, **asked}
        try:
            fds += [lock_file(draft / "lock"), lock_file(draft / "supervisor.lock")]
            write_json(draft / SPEC, spec)
            reserve(draft)
            rename(draft, folder / id)
            _detach(folder / id, [str(fds[1])], (fds[1], fds[2]))
        except OSError:
            for path in (draft, folder / id):
                shutil.rmtree(path, ignore_errors=True)
            raise
        return id
    finally:
        for fd in fds:
            os.close(fd)


def _detach(folder: pathlib.Path, args: list[str], fds: tuple[int, ...]) -> None:
    """Start a supervisor on a job, in a session of its own, with these open files."""
    with (folder / "log").open("ab") as log, loosened():
        process = subprocess.Popen(
            [sys.executable, "-m", "core.jobs.supervisor", str(folder), *args],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            pass_fds=fds,
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()  # no zombies in a long-lived server


def _full_argv(workspace: Workspace, argv: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "core", *argv, "--workspace", str(workspace.root)]
