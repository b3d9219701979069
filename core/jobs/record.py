"""What a job's directory says: `<workspace>/jobs/<id>/` with spec, log, progress, status, lock.

The `lock` file tells who lives: it is held while the supervisor or the worker runs. Lock free
without a final status = lost. No process id is trusted for that.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import fcntl
import functools
import math
import os
import pathlib
import re
import shlex
import shutil
import time
from collections.abc import Sequence
from typing import Any, Literal, cast

from core.errors import InputError
from core.jobs.files import (
    PROGRESS,
    SPEC,
    STATUS,
    WORKER,
    load_outcome,
    load_spec,
    load_worker,
    outcome,
    took,
    write_outcome,
)
from core.jobs.tails import last_record
from core.nouns import NOUNS
from core.workspace.files import ROOT, read_json
from core.workspace.locks import lock_within
from core.workspace.store import Workspace

JobState = Literal["queued", "running", "stopping", "done", "failed", "stopped", "lost"]
ACTIVE = ("queued", "running", "stopping")
ENDED = ("done", "failed", "stopped", "lost")
NO_QUEUE = ("", "none")
PLACE = "place.json"
"""A job's file that says its place among those that wait: written by whoever puts them in order."""
RESUMED = ("trajectories", "finetune", "study", "transfer")
"""Nouns whose runs go on from what they saved."""
SILENT = 600
"""Seconds without a line in log or progress after which a running job is said not to respond."""
PAGE = 4096
"""Bytes that the smallest file takes."""
NOW = fcntl.LOCK_EX | fcntl.LOCK_NB


@dataclasses.dataclass(frozen=True)
class Job:
    """What is known of a job now."""

    id: str
    title: str
    state: JobState
    stage: str
    step: int
    total: int
    seconds_left: float | None
    """Of this stage; None when unknown, not running or not responding."""
    metrics: dict[str, Any]
    """Whatever else the newest progress record holds."""
    result: str
    """Artifact id, when done."""
    message: str
    failure: str
    """Name in `core.jobs.failures.FAILURES` where it failed in a known way, else empty."""
    fix: dict[str, Any]
    """Settings that mend it, where the run itself knew them."""
    created: str
    """UTC, ISO 8601, as the two below; empty when it has not happened."""
    started: str
    ended: str
    """For a lost job the last sign of life."""
    argv: tuple[str, ...]
    device: str
    ahead: int
    """Jobs on the same device that go first, while queued."""
    user: str
    key: str
    place: float = math.inf
    """In the queue, where somebody has put it in order; without one after those that have one."""
    seconds: float | None = None
    """From start to end; None where one is not known, or the clock was put back between them."""

    @property
    def turn(self) -> tuple[float, str]:
        """What jobs of a device are sorted by: the first in order, then the oldest."""
        return self.place, self.id

    @property
    def command(self) -> str:
        """The shell command that does the same work."""
        return shell(self.argv) if self.argv else ""


def load(folder: pathlib.Path) -> Job:
    """Read a job as it stands; an ended one is read once."""
    return _load(str(folder))


def _load(path: str) -> Job:
    with contextlib.suppress(OSError):
        changed = os.stat(f"{path}/{STATUS}").st_mtime_ns  # noqa: PTH116
        if job := _ended_job(path, changed):
            return job
    folder = pathlib.Path(path)
    return _job(folder, alive(folder))  # alive first: one that ends just now is not lost


@functools.lru_cache(4096)
def _ended_job(path: str, changed: int) -> Job | None:
    """Read a job whose status is final, once: listings are polled and these never change."""
    return _job(folder, True) if has_ended(folder := pathlib.Path(path)) else None


def _job(folder: pathlib.Path, alive: bool) -> Job:
    spec, how, worker = load_spec(folder), load_outcome(folder), load_worker(folder)
    record = last_record(folder / PROGRESS)
    message, ended, seconds_left = str(how.get("message", "")), "", None
    failure = str(how.get("failure", ""))
    state: JobState = "running" if worker else "queued"
    if how.get("state") in ENDED:
        state, ended = cast(JobState, how["state"]), _changed(folder / STATUS)
    elif not alive:
        signs = ("log", PROGRESS, WORKER)
        state, ended = "lost", max(_changed(folder / name) for name in signs)
        failure = "lost-process"
        message = "it vanished without a word (killed, or the machine went down); " + again(
            spec.get("argv") or []
        )
        with contextlib.suppress(OSError):  # deleted meanwhile
            if shutil.disk_usage(folder).free < PAGE:
                message = (
                    f"the disk is full, and it could not say how it ended: free some; {message}"
                )
                failure = "disk-full"
        for name in (SPEC, STATUS):
            if (folder / name).exists() and not read_json(folder / name):
                message = f"{name} cannot be read; the log may tell more"
    elif (folder / "STOP").exists():
        state = "stopping"
    if state == "running" and record.get("left") is not None:
        passed = _since(record, time.time() - record["time"])
        seconds_left = max(0.0, record["left"] - passed)
    quiet = _since(record or cast(dict[str, Any], worker), _quiet(folder))
    if state in ("running", "stopping") and quiet > SILENT:
        message = (
            f"not responding: no sign of life for {quiet / 60:,.0f} min; it is frozen, or "
            "busy with one long step"
        )
        seconds_left = None
    known = ("stage", "step", "total", "left", "time", "clock")
    return Job(
        id=folder.name,
        title=str(spec.get("title", folder.name)),
        state=state,
        stage=str(record.get("stage", "")),
        step=record.get("step", 0),
        total=record.get("total", 0),
        seconds_left=seconds_left,
        metrics={k: v for k, v in record.items() if k not in known},
        result=str(how.get("result", "")),
        message=message,
        failure=failure,
        fix=dict(how.get("fix") or {}),
        created=str(spec.get("created", "")),
        started=str(worker.get("started", "")),
        ended=ended,
        seconds=took(worker, how, ended),
        argv=tuple(spec.get("argv") or ()),
        device=str(spec.get("device", "")),
        ahead=0,
        user=str(spec.get("user", "")),
        key=str(spec.get("key", "")),
        place=_place(folder),
    )


def _since(record: dict[str, Any], wall: float) -> float:
    """Return the seconds since a line of progress; the machine's time may be set either way.

    The clock that counts from the machine's start cannot be; one of another machine, or of before
    a restart, is ahead of ours, or makes the time no longer.
    """
    own = time.monotonic() - record.get("clock", math.inf)
    return max(0.0, min(wall, own) if own >= 0 else wall)


def _quiet(folder: pathlib.Path) -> float:
    """Return the seconds since a worker last wrote a word."""
    times = []
    for name in ("log", PROGRESS, WORKER):
        with contextlib.suppress(OSError):
            times.append((folder / name).stat().st_mtime)
    return time.time() - max(times) if times else 0.0


def again(argv: Sequence[str]) -> str:
    """Say how to go on with a run that was killed: an import keeps nothing to go on from."""
    nouns = [word for word in argv[3:4] if word in NOUNS]
    if nouns == ["dataset"]:
        return "import it again"
    if nouns and nouns[0] not in RESUMED:
        return "start it again"
    return "run it again with --resume"


def _place(folder: pathlib.Path) -> float:
    place = (read_json(folder / PLACE) or {}).get("place")
    if isinstance(place, int | float) and not isinstance(place, bool) and abs(place) < 1e6:
        return float(place)
    return math.inf


def _changed(path: pathlib.Path) -> str:
    with contextlib.suppress(OSError):
        when = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
        return when.isoformat(timespec="milliseconds")
    return ""


def alive(folder: pathlib.Path) -> bool:
    """Say whether a process of this job lives; with a shared lock, so two may ask at once."""
    try:
        fd = os.open(folder / "lock", os.O_RDONLY | os.O_NONBLOCK)  # nothing to wait for: a pipe
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def lock_file(path: pathlib.Path, how: int = fcntl.LOCK_EX) -> int:
    """Lock a file and return it open; closing it, in every process that has it, frees it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(fd, how)
    except OSError:
        os.close(fd)
        raise
    return fd


def lock_submit(folder: pathlib.Path) -> int:
    """Lock the queue of a workspace, in its folder of jobs; closing what is returned frees it.

    Raises:
        InputError: another process does not let go of it.
    """
    path = folder / ".submit.lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        lock_within(fd, path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def end(folder: pathlib.Path, state: JobState, message: str, failure: str = "") -> None:
    """Write how a job ended, unless its worker did."""
    if folder.is_dir() and not has_ended(folder):
        write_outcome(folder, outcome(state, message=message, failure=failure))


def has_ended(folder: pathlib.Path) -> bool:
    """Say whether a final status was written."""
    return load_outcome(folder).get("state") in ENDED


def folder_of(workspace: Workspace, id: str) -> pathlib.Path:
    """Return a job's directory.

    Raises:
        InputError: there is none.
    """
    folder = workspace.root / "jobs" / id
    if not re.fullmatch(r"[A-Za-z0-9-]+", id) or not folder.is_dir():
        raise InputError(f"no job {id!r:.200} in {workspace.root}")
    return folder


def shell(argv: Sequence[str]) -> str:
    """Write a command so that it can be pasted into a shell."""
    python = pathlib.Path(argv[0])
    if python.is_relative_to(ROOT):
        python = python.relative_to(ROOT)
    return f"cd {shlex.quote(str(ROOT))} && {shlex.join([str(python), *argv[1:]])}"
