"""What stands in a job's folder: its spec, its worker, its progress, how it ended.

Each is read as far as it goes: a file that is not there, or torn, is empty, and a value of another
type is not there.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import math
import os
import pathlib
import time
from typing import Any, NotRequired, TypedDict, cast

from core.workspace import shape
from core.workspace.artifact import utc_now
from core.workspace.files import (
    disk_full,
    folders_in,
    read_json,
    read_jsonl,
    while_unchanged,
    write_json,
)

SPEC, WORKER, STATUS, PROGRESS = "spec.json", "worker.json", "status.json", "progress.jsonl"
ROOM = "room"
"""A job's file that is deleted where a full disk has no place for the word on how it ended."""
ROOM_BYTES = 8192


class JobSpec(TypedDict, total=False):
    """What was asked for."""

    id: str
    argv: list[str]
    created: str
    """UTC, ISO 8601."""
    cwd: str
    title: str
    device: str
    key: str
    user: str
    grace: float
    """Seconds a worker has to save and exit when asked to stop, before SIGTERM."""
    kill_after: float
    """Seconds from SIGTERM to SIGKILL."""
    environment: dict[str, str]
    """Variables that give it its device; early jobs have none."""


class WorkerFacts(TypedDict, total=False):
    """Which processes work at it."""

    pgid: int
    supervisor: int
    started: str
    """UTC, ISO 8601."""
    clock: float
    """Seconds since the machine started, which nobody can set; early ones have none."""


class Outcome(TypedDict, total=False):
    """How a job, or one process of a group, ended."""

    state: str
    """done, failed, stopped or lost."""
    result: str
    """Artifact id, when done."""
    message: str
    failure: str
    """Name in `core.jobs.failures.FAILURES`, where it failed in a known way."""
    fix: dict[str, Any]
    """Settings that mend it, where the run itself knew them."""
    time: float
    """When a process of a group ended: the first that failed says why."""
    clock: float
    """Seconds since the machine started, as it ended; early ones have none."""


class ProgressRecord(TypedDict):
    """A line of the progress log; whatever the stage measures stands beside these."""

    stage: str
    step: int
    total: int
    left: float | None
    """Seconds of this stage, as estimated then."""
    time: float
    clock: NotRequired[float]
    """Seconds since the machine started, which nobody can set; early lines have none."""


def folders(folder: pathlib.Path) -> list[pathlib.Path]:
    """List job directories by id."""
    return [folder / name for name in names(folder)]


def names(folder: pathlib.Path) -> list[str]:
    """List the ids of jobs; locks, drafts and deleted ones have a dot in their names."""
    return _names(str(folder)) if folder.is_dir() else []


@while_unchanged
def _names(path: str) -> list[str]:
    return sorted(e.name for e in folders_in(path) if "." not in e.name)


def load_spec(folder: pathlib.Path) -> JobSpec:
    """Read what was asked for."""
    return cast(JobSpec, shape.only_right(read_json(folder / SPEC) or {}, JobSpec))


def load_worker(folder: pathlib.Path) -> WorkerFacts:
    """Read which processes work; empty before they do."""
    return cast(WorkerFacts, shape.only_right(read_json(folder / WORKER) or {}, WorkerFacts))


def write_worker(folder: pathlib.Path, pgid: int, supervisor: int) -> None:
    """Write which processes work.

    Raises:
        OSError: the job was deleted meanwhile, or cannot be written.
    """
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the job was deleted", str(folder))
    started = utc_now().isoformat(timespec="milliseconds")
    facts: WorkerFacts = {
        "pgid": pgid,
        "supervisor": supervisor,
        "started": started,
        "clock": time.monotonic(),
    }
    write_json(folder / WORKER, facts)


def load_outcome(folder: pathlib.Path) -> Outcome:
    """Read how it ended; empty before it has."""
    return cast(Outcome, shape.only_right(read_json(folder / STATUS) or {}, Outcome))


def reserve(folder: pathlib.Path) -> None:
    """Take the place on the disk that `write_outcome` may need.

    Raises:
        OSError: there is none.
    """
    (folder / ROOM).write_bytes(os.urandom(ROOM_BYTES))  # zeros would be packed by some systems


def write_outcome(folder: pathlib.Path, outcome: Outcome) -> None:
    """Write how it ended, on a full disk in the place that was reserved.

    Raises:
        OSError: it cannot be written.
    """
    if not folder.is_dir():  # a workspace that was deleted meanwhile is not made again
        return
    outcome = {**outcome, "clock": time.monotonic()}
    try:
        write_json(folder / STATUS, outcome)
    except OSError as e:
        if not disk_full(e):
            raise
        (folder / ROOM).unlink(missing_ok=True)
        write_json(folder / STATUS, outcome)
    (folder / ROOM).unlink(missing_ok=True)


def took(worker: WorkerFacts, how: Outcome, ended: str) -> float | None:
    """Return how long a job took; by the clock that nobody can set, where both ends have it."""
    if not (worker.get("started") and ended):
        return None
    seconds = how.get("clock", -math.inf) - worker.get("clock", math.inf)
    if seconds < 0:  # of early jobs, lost ones, and before a restart of the machine
        with contextlib.suppress(ValueError, TypeError):
            began, end = (dt.datetime.fromisoformat(at) for at in (worker["started"], ended))
            seconds = (end - began).total_seconds()
    return seconds if seconds >= 0 else None


def load_progress(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Read the progress log: each a `ProgressRecord` with what else its stage measures."""
    return [r for line in read_jsonl(folder / PROGRESS) if (r := as_record(line))]


def as_record(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line of the progress log with what every one has, {} where it is none."""
    right = shape.only_right(line, ProgressRecord)
    if not {"stage", "step"} <= right.keys():
        return {}
    return {"total": 0, "left": None, "time": 0.0, **right}


def outcome(
    state: str,
    *,
    result: str = "",
    message: str = "",
    failure: str = "",
    fix: dict[str, Any] | None = None,
) -> Outcome:
    """Put together how something ended."""
    ended: Outcome = {"state": state, "result": result, "message": message, "failure": failure}
    if fix:
        ended["fix"] = fix
    return ended
