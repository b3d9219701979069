"""The process that looks after one job: waits, runs the worker, stops it, says how it ended.

It outlives browser and server, because `core.jobs` starts it in a session of its own.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from core.errors import InputError
from core.jobs import devices
from core.jobs.failures import name_of
from core.jobs.files import JobSpec, folders, load_spec, load_worker, write_worker
from core.jobs.progress import JOB_VARIABLE, discard_wanted
from core.jobs.record import (
    ACTIVE,
    NO_QUEUE,
    NOW,
    Job,
    JobState,
    again,
    alive,
    end,
    has_ended,
    load,
    lock_file,
)
from core.jobs.tails import tail_log
from core.workspace.files import explain_os_error
from core.workspace.roles import USER
from core.workspace.store import Workspace

POLL = 0.3  # seconds between two looks of a supervisor
CAUSES: dict[int, str] = {
    signal.SIGKILL: "often because memory ran out; {again}{smaller}",
    signal.SIGTERM: "somebody or the system ended it; {again}",
    signal.SIGSEGV: "a crash in a native library; the log may name it",
    signal.SIGBUS: "often a full disk or full shared memory; free some and {again}",
}
KILLED: dict[int, str] = {signal.SIGKILL: "host-memory", signal.SIGBUS: "disk-full"}
"""Signal -> the failure that it most often means."""


def _supervise(folder: pathlib.Path, lock: int) -> None:
    """Wait for the job's turn, run the worker, carry out a stop, write how it ended if it did not.

    Stdin, stdout and stderr are the null device and the job's log, and the worker inherits them.
    """
    spec = load_spec(folder)
    device = _await_turn(folder, spec["device"])
    if device is None:
        return end(folder, "stopped", "stopped before it began")
    asked_by = {USER: spec.get("user", ""), JOB_VARIABLE: str(folder)}
    worker = subprocess.Popen(
        spec["argv"],
        cwd=spec["cwd"],
        env={**os.environ, **spec.get("environment", {}), **asked_by},
        pass_fds=(lock, *device),
        start_new_session=True,
    )
    try:
        write_worker(folder, worker.pid, os.getpid())
    except OSError:
        _signal(worker.pid, signal.SIGKILL)
        raise
    forced = _watch(folder, spec, worker.pid, lambda: worker.poll() is not None)
    if not has_ended(folder):
        _signal(worker.pid, signal.SIGKILL)  # what the worker started and left behind
        end(folder, *_verdict(folder, forced, worker.returncode))


def _stop_orphan(folder: pathlib.Path) -> None:
    """Stop a worker whose supervisor was killed; signals are safe as long as the lock is held."""
    spec, worker = load_spec(folder), load_worker(folder)
    if spec and worker:
        forced = _watch(folder, spec, worker["pgid"], lambda: not alive(folder))
        if forced:
            end(folder, "stopped", forced)


def _await_turn(folder: pathlib.Path, device: str) -> tuple[int, ...] | None:
    """Return the files to hand to the worker (the device's lock), None if asked to stop first."""
    names = sorted(re.sub(r"[^A-Za-z0-9_-]", "_", part) for part in devices.parts(device))
    ended: set[str] = {folder.name}
    while not (folder / "STOP").exists():
        if device in NO_QUEUE:
            return ()
        mine = load(folder)
        others = [(p, load(p)) for p in folders(folder.parent) if p.name not in ended]
        ended |= {p.name for p, job in others if job.state not in ACTIVE}
        for path, job in others:
            if _goes_before(job, mine):
                _end_frozen(path)
        if not any(_goes_before(job, mine) for _, job in others):
            locks: list[int] = []
            try:
                for name in names:
                    locks.append(lock_file(folder.parent / (name + ".lock"), NOW))
                return tuple(locks)
            except BlockingIOError:
                for fd in locks:
                    os.close(fd)
        time.sleep(POLL)
    return None


def _end_frozen(folder: pathlib.Path) -> None:
    """End a supervisor that was frozen and whose worker is gone: nobody would free the device."""
    worker = load_worker(folder)
    pid = worker.get("supervisor", 0)
    if _process(worker.get("pgid", 0)) in ("", "Z", "X") and _process(pid) == "T":
        with contextlib.suppress(OSError):
            argv = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if os.fsencode(folder) in argv and b"core.jobs.supervisor" in argv:
                os.kill(pid, signal.SIGKILL)


def _process(pid: int) -> str:
    """Return the letter of a process's state as Linux has it; empty where there is none."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _goes_before(other: Job, mine: Job) -> bool:
    """Say whether another job has the device, or its turn comes before."""
    first = other.state != "queued" or other.turn < mine.turn
    return other.state in ACTIVE and first and devices.shared(other.device, mine.device)


def _watch(folder: pathlib.Path, spec: JobSpec, pgid: int, gone: Callable[[], bool]) -> str:
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
        if not ladder or not ((folder / "STOP").exists() or has_ended(folder)):
            continue
        asked = asked or time.monotonic()
        if time.monotonic() - asked >= ladder[0][0]:
            _signal(pgid, ladder.pop(0)[1])
            forced, asked = words.pop(0), time.monotonic()


def _verdict(folder: pathlib.Path, forced: str, code: int) -> tuple[JobState, str, str]:
    """Judge a worker that ended without a status of its own: state, message, name of a failure."""
    if forced:
        return "stopped", forced, ""
    if code < 0:
        number = -code
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        why = CAUSES.get(number, "the log may say why")
        go_on = again(load_spec(folder).get("argv") or [])
        trains = "--resume" in go_on
        why = why.format(again=go_on, smaller=", or take a smaller batch" if trains else "")
        return "lost", f"killed by {name}: {why}", KILLED.get(number, "lost-process")
    if code == 0 and (folder / "STOP").exists():
        return "stopped", "stopped when asked", ""
    said = tail_log(folder, 8).strip() or "the log is empty"
    return "failed", f"ended with exit code {code} and no result: {said}", ""


def _signal(pgid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for zombies
        os.killpg(pgid, number)


def main(folder: pathlib.Path, *lock: str) -> None:
    """Supervise a job, given its inherited lock; without one only stop its orphaned worker."""
    try:
        _supervise(folder, int(lock[0])) if lock else _stop_orphan(folder)
    except OSError as e:
        end(folder, "failed", explain_os_error(e), name_of(e))
    if discard_wanted(folder):
        from core.jobs.drafts import discard

        with contextlib.suppress(InputError, OSError):  # it stays, and a page can delete it
            discard(Workspace(folder.parent.parent), folder.name)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), *sys.argv[2:])
