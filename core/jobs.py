"""Long work as detached jobs: they outlive browser and server, wait their turn, and can be stopped.

A job is a directory `<workspace>/jobs/<id>/`. Its `lock` file tells who lives: `submit` locks it
and hands the open file down to the supervisor and from there to the worker, so the lock is held
while any of them runs. Lock free without a final status = lost. No process id is trusted for that.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import fcntl
import functools
import json
import math
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from core.files import explain_os_error, read_json, read_jsonl, write_json
from core.progress import JOB_VARIABLE
from core.store import Workspace, new_id, utc_now

JobState = Literal["queued", "running", "stopping", "done", "failed", "stopped", "lost"]
ACTIVE = ("queued", "running", "stopping")
ENDED = ("done", "failed", "stopped", "lost")
NO_QUEUE = ("", "none")
ROOT = pathlib.Path(__file__).absolute().parent.parent
NOW = fcntl.LOCK_EX | fcntl.LOCK_NB
POLL = 0.3  # seconds between two looks of a supervisor
CAUSES: dict[int, str] = {
    signal.SIGKILL: "often because memory ran out; run it again with --resume or a smaller batch",
    signal.SIGTERM: "somebody or the system ended it; run it again with --resume",
    signal.SIGSEGV: "a crash in a native library; the log may name it",
    signal.SIGBUS: "often a full disk or full shared memory; free some and run it with --resume",
}


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
    """Of this stage; None when unknown or not running."""
    metrics: dict[str, Any]
    """Whatever else the newest progress record holds."""
    result: str
    """Artifact id, when done."""
    message: str
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

    @property
    def command(self) -> str:
        """The shell command that does the same work."""
        return _shell(self.argv) if self.argv else ""


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
        workspace: Where it works and is recorded.
        argv: Noun and flags.
        title: What people see.
        device: Jobs of one device run one after the other; "" or "none" never wait.
        key: Idempotency key: one that was used before returns the job it made. Without one, too,
            a queued or running job with the same argv is returned rather than started twice.
        user: Who asked, where known.
        grace: Seconds a worker has to save and exit when asked to stop, before SIGTERM.
        kill_after: Seconds from SIGTERM to SIGKILL.

    Raises:
        OSError: the workspace cannot be written.
    """
    limits = {"grace": grace, "kill_after": kill_after}
    facts = {"title": title, "device": device, "key": key, "user": user, **limits}
    return _spawn(workspace, _full_argv(workspace, argv), **facts)


def stop(workspace: Workspace, id: str) -> None:
    """Ask a job to stop; its supervisor goes on to SIGTERM and SIGKILL if it does not."""
    folder = _folder(workspace, id)
    if _load(folder).state not in ACTIVE:
        return
    (folder / "STOP").touch()
    with contextlib.suppress(BlockingIOError):  # taken: the supervisor lives and sees the file
        fd = _lock(folder / "supervisor.lock", NOW)
        if (folder / "worker.json").exists() and _alive(folder):
            _detach(folder, [], (fd,))  # the worker has lost its supervisor: one that only stops
        os.close(fd)


def status(workspace: Workspace, id: str) -> Job:
    """Return what is known of one job.

    Raises:
        ValueError: there is none.
    """
    job = _load(_folder(workspace, id))
    if job.state != "queued":
        return job
    return next((j for j in jobs(workspace) if j.id == id), job)


def jobs(workspace: Workspace) -> list[Job]:
    """List all jobs, newest first."""
    found = [_load(p) for p in reversed(_folders(workspace.root / "jobs")) if p.is_dir()]
    live = [j for j in found if j.state in ACTIVE and j.device not in NO_QUEUE]
    ahead = {j.id: sum(o.device == j.device and o.id < j.id for o in live) for j in live}
    return [
        dataclasses.replace(j, ahead=ahead.get(j.id, 0)) if j.state == "queued" else j
        for j in found
    ]


def active(workspace: Workspace) -> list[Job]:
    """List the jobs that wait, run or are stopping, newest first."""
    return [j for j in jobs(workspace) if j.state in ACTIVE]


def progress(workspace: Workspace, id: str, *, limit: int = 2000) -> list[dict[str, Any]]:
    """Return the progress records, thinned evenly to about `limit`; the last is always there."""
    records = list(read_jsonl(_folder(workspace, id) / "progress.jsonl"))
    every = math.ceil(len(records) / limit) or 1
    return records[::-1][::every][::-1]


def log_tail(workspace: Workspace, id: str, lines: int = 200) -> str:
    """Return the last lines of the worker's output; of a redrawn line only the last state."""
    return _log_tail(_folder(workspace, id), lines)


def command(workspace: Workspace, argv: Sequence[str]) -> str:
    """Return the shell command that does what `submit` would start."""
    return _shell(_full_argv(workspace, argv))


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


def forget(workspace: Workspace, id: str) -> None:
    """Delete the record of an ended job; what it made stays.

    Raises:
        ValueError: it is still active.
    """
    folder = _folder(workspace, id)
    if (state := _load(folder).state) in ACTIVE:
        raise ValueError(f"job {id} is {state}; stop it first")
    doomed = folder.with_name(".deleted-" + id)
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _spawn(workspace: Workspace, argv: Sequence[str], **facts: Any) -> str:
    folder = workspace.root / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    fds = [_lock(folder / ".submit.lock")]
    try:
        for job in jobs(workspace):
            same = job.state in ("queued", "running") and job.argv == tuple(argv)
            if same or (facts["key"] and job.key == facts["key"]):
                return job.id
        now = utc_now()
        id = new_id(now)
        draft = folder / (".new-" + id)  # nobody sees the job before its locks are held
        draft.mkdir()
        created = now.isoformat(timespec="milliseconds")
        base = {"id": id, "argv": list(argv), "created": created, "cwd": str(ROOT)}
        try:
            fds += [_lock(draft / "lock"), _lock(draft / "supervisor.lock")]
            write_json(draft / "spec.json", {**base, **facts})
            draft.rename(folder / id)
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
    """Start this module on a job, in a session of its own, with these open files."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "core.jobs", str(folder), *args],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            pass_fds=fds,
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()  # no zombies in a long-lived server


def _supervise(folder: pathlib.Path, lock: int) -> None:
    """Wait for the job's turn, run the worker, carry out a stop, write how it ended if it did not.

    Stdin, stdout and stderr are the null device and the job's log, and the worker inherits them.
    """
    spec = read_json(folder / "spec.json") or {}
    device = _await_turn(folder, spec["device"])
    if device is None:
        return _end(folder, "stopped", "stopped before it began")
    worker = subprocess.Popen(
        spec["argv"],
        cwd=spec["cwd"],
        env={**os.environ, JOB_VARIABLE: str(folder)},
        pass_fds=(lock, *device),
        start_new_session=True,
    )
    try:
        started = utc_now().isoformat(timespec="milliseconds")
        facts = {"pgid": worker.pid, "supervisor": os.getpid(), "started": started}
        write_json(folder / "worker.json", facts)
    except OSError:
        _signal(worker.pid, signal.SIGKILL)
        raise
    forced = _watch(folder, spec, worker.pid, lambda: worker.poll() is not None)
    if not _has_ended(folder):
        _signal(worker.pid, signal.SIGKILL)  # what the worker started and left behind
        _end(folder, *_verdict(folder, forced, worker.returncode))


def _stop_orphan(folder: pathlib.Path) -> None:
    """Stop a worker whose supervisor was killed; signals are safe as long as the lock is held."""
    spec, worker = read_json(folder / "spec.json"), read_json(folder / "worker.json")
    if spec and worker:
        forced = _watch(folder, spec, worker["pgid"], lambda: not _alive(folder))
        if forced:
            _end(folder, "stopped", forced)


def _await_turn(folder: pathlib.Path, device: str) -> tuple[int, ...] | None:
    """Return the files to hand to the worker (the device's lock), None if asked to stop first."""
    older = [p for p in _folders(folder.parent) if p.name < folder.name]
    lock = folder.parent / (re.sub(r"[^A-Za-z0-9_-]", "_", device) + ".lock")
    while not (folder / "STOP").exists():
        if device in NO_QUEUE:
            return ()
        older = [p for p in older if (j := _load(p)).state in ACTIVE and j.device == device]
        if not older:
            with contextlib.suppress(BlockingIOError):
                return (_lock(lock, NOW),)
        time.sleep(POLL)
    return None


def _watch(folder: pathlib.Path, spec: dict[str, Any], pgid: int, gone: Callable[[], bool]) -> str:
    """Wait until the worker is gone, forcing it if it was asked to stop; say what force it took.

    A worker that has written its status but does not exit is treated as asked: it blocks a device.
    """
    forced, asked = "", 0.0
    ladder = [(spec["grace"], signal.SIGTERM), (spec["kill_after"], signal.SIGKILL)]
    late = f"did not stop within {spec['grace']:g} s"
    words = [
        f"{late} and was terminated; what was saved before can be resumed",
        f"{late} nor {spec['kill_after']:g} s after SIGTERM and was killed; "
        "what was saved before can be resumed",
    ]
    while True:
        time.sleep(POLL)
        if gone():
            return forced
        if not ladder or not ((folder / "STOP").exists() or _has_ended(folder)):
            continue
        asked = asked or time.monotonic()
        if time.monotonic() - asked >= ladder[0][0]:
            _signal(pgid, ladder.pop(0)[1])
            forced, asked = words.pop(0), time.monotonic()


def _verdict(folder: pathlib.Path, forced: str, code: int) -> tuple[JobState, str]:
    """Judge a worker that ended without a status of its own."""
    if forced:
        return "stopped", forced
    if code < 0:
        number = -code
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        return "lost", f"killed by {name}: {CAUSES.get(number, 'the log may say why')}"
    if code == 0 and (folder / "STOP").exists():
        return "stopped", "stopped when asked"
    said = _log_tail(folder, 8).strip() or "the log is empty"
    return "failed", f"ended with exit code {code} and no result: {said}"


def _end(folder: pathlib.Path, state: JobState, message: str) -> None:
    if folder.is_dir() and not _has_ended(folder):
        write_json(folder / "status.json", {"state": state, "result": "", "message": message})


def _has_ended(folder: pathlib.Path) -> bool:
    return (read_json(folder / "status.json") or {}).get("state") in ENDED


def _signal(pgid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for zombies
        os.killpg(pgid, number)


def _lock(path: pathlib.Path, how: int = fcntl.LOCK_EX) -> int:
    """Lock a file and return it open; closing it, in every process that has it, frees it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(fd, how)
    except OSError:
        os.close(fd)
        raise
    return fd


def _alive(folder: pathlib.Path) -> bool:
    """Say whether a process of this job lives; with a shared lock, so two may ask at once."""
    try:
        with (folder / "lock").open("rb") as f:
            fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _load(folder: pathlib.Path) -> Job:
    with contextlib.suppress(OSError):
        changed = (folder / "status.json").stat().st_mtime_ns
        if job := _ended_job(folder, changed):
            return job
    return _job(folder, _alive(folder))  # alive first: one that ends just now is not lost


@functools.lru_cache(4096)
def _ended_job(folder: pathlib.Path, changed: int) -> Job | None:
    """Read a job whose status is final, once: listings are polled and these never change."""
    return _job(folder, True) if _has_ended(folder) else None


def _job(folder: pathlib.Path, alive: bool) -> Job:
    spec = read_json(folder / "spec.json") or {}
    said = read_json(folder / "status.json") or {}
    worker = read_json(folder / "worker.json") or {}
    record = _last_record(folder / "progress.jsonl")
    message, ended, seconds_left = str(said.get("message", "")), "", None
    state: JobState = "running" if worker else "queued"
    if said.get("state") in ENDED:
        state, ended = said["state"], _changed(folder / "status.json")
    elif not alive:
        state, ended = "lost", _changed(folder / "log")
        message = "it vanished without a word (killed, or the machine went down); run it again"
        for name in ("spec.json", "status.json"):
            if (folder / name).exists() and not read_json(folder / name):
                message = f"{name} cannot be read; the log may tell more"
    elif (folder / "STOP").exists():
        state = "stopping"
    if state == "running" and record.get("left") is not None:
        seconds_left = max(0.0, record["left"] - (time.time() - record["time"]))
    known = ("stage", "step", "total", "left", "time")
    return Job(
        id=folder.name,
        title=str(spec.get("title", folder.name)),
        state=state,
        stage=str(record.get("stage", "")),
        step=record.get("step", 0),
        total=record.get("total", 0),
        seconds_left=seconds_left,
        metrics={k: v for k, v in record.items() if k not in known},
        result=str(said.get("result", "")),
        message=message,
        created=str(spec.get("created", "")),
        started=str(worker.get("started", "")),
        ended=ended,
        argv=tuple(spec.get("argv") or ()),
        device=str(spec.get("device", "")),
        ahead=0,
        user=str(spec.get("user", "")),
        key=str(spec.get("key", "")),
    )


def _changed(path: pathlib.Path) -> str:
    with contextlib.suppress(OSError):
        when = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
        return when.isoformat(timespec="milliseconds")
    return ""


def _folder(workspace: Workspace, id: str) -> pathlib.Path:
    folder = workspace.root / "jobs" / id
    if not re.fullmatch(r"[A-Za-z0-9-]+", id) or not folder.is_dir():
        raise ValueError(f"no job {id!r} in {workspace.root}")
    return folder


def _folders(folder: pathlib.Path) -> list[pathlib.Path]:
    """List job directories by id; locks, drafts and deleted ones have a dot in their names."""
    return sorted(p for p in folder.iterdir() if "." not in p.name) if folder.is_dir() else []


def _tail(path: pathlib.Path, size: int) -> list[str]:
    """Return the last lines of a file, at most `size` bytes of it; the last one may be torn."""
    try:
        with path.open("rb") as f:
            f.seek(max(0, f.seek(0, os.SEEK_END) - size))
            return f.read().decode(errors="replace").split("\n")
    except FileNotFoundError:
        return []


def _last_record(path: pathlib.Path) -> dict[str, Any]:
    for line in reversed(_tail(path, 16_384)[:-1]):
        with contextlib.suppress(ValueError, TypeError):
            return dict(json.loads(line))
    return {}


def _log_tail(folder: pathlib.Path, lines: int) -> str:
    text = "\n".join(line.rstrip("\r") for line in _tail(folder / "log", 262_144)).rstrip("\n")
    return "\n".join(line.rpartition("\r")[2] for line in text.split("\n")[-lines:])


def _full_argv(workspace: Workspace, argv: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "core", *argv, "--workspace", str(workspace.root)]


def _shell(argv: Sequence[str]) -> str:
    python = pathlib.Path(argv[0])
    if python.is_relative_to(ROOT):
        python = python.relative_to(ROOT)
    return f"cd {shlex.quote(str(ROOT))} && {shlex.join([str(python), *argv[1:]])}"


def main(folder: pathlib.Path, *lock: str) -> None:
    """Supervise a job, given its inherited lock; without one only stop its orphaned worker."""
    try:
        _supervise(folder, int(lock[0])) if lock else _stop_orphan(folder)
    except OSError as e:
        _end(folder, "failed", explain_os_error(e))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), *sys.argv[2:])
