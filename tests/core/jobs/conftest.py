"""Jobs of a few lines, in a workspace that leaves no process behind."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from core.jobs import files
from core.jobs import record as job_files
from core.jobs.queue import _spawn
from core.workspace.files import read_json
from core.workspace.store import Workspace

PRELUDE = """
import os, signal, subprocess, sys, time
from core.workspace.files import append_jsonl, write_json
from core.jobs.progress import Progress, job_dir, say, stop_requested
job = job_dir()
def finish(state="done", **more):
    write_json(job / "status.json", {"state": state, "result": "", "message": "", **more})
"""
UNTIL_STOP = """
progress = Progress("training", 1000)
for step in range(1000):
    if stop_requested():
        finish("stopped", message="saved at step %d" % step)
        sys.exit(3)
    progress.update(step, loss=1.5)
    time.sleep(0.05)
"""
DEAF = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
Progress("training", 10)
time.sleep(60)
"""


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> Iterator[Workspace]:
    made = Workspace(tmp_path / "my workspace")
    yield made
    left = [p for p in files.folders(made.root / "jobs") if job_files.alive(p)]
    for folder in left:  # leave no process behind
        (folder / "STOP").touch()
    until(lambda: not any(kill_worker(folder) for folder in left))


def spawn(workspace: Workspace, script: str, **facts: object) -> str:
    base = {
        "title": "a test",
        "device": "cpu",
        "key": "",
        "user": "",
        "grace": 60,
        "kill_after": 10,
    }
    return _spawn(workspace, [sys.executable, "-c", PRELUDE + script], **{**base, **facts})


def until(true: Callable[[], object], timeout: float = 10) -> None:
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.03)


def started(workspace: Workspace, id: str) -> dict[str, int]:
    """Wait until the worker has reported, return its process ids."""
    folder = workspace.root / "jobs" / id
    until(lambda: (folder / "progress.jsonl").exists() and (folder / "worker.json").exists())
    return read_json(folder / "worker.json")


def kill_worker(folder: pathlib.Path) -> bool:
    """Kill the worker, if it has begun; say whether anything of the job was alive."""
    alive, worker = job_files.alive(folder), read_json(folder / "worker.json")
    if alive and worker:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker["pgid"], signal.SIGKILL)
    return alive


def gone(pid: int) -> bool:
    """Whether a process has ended; a zombie nobody has collected yet has."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return shown.stdout.strip()[:1] in ("", "Z")
