"""A process that works for us: quiet threads, nothing of a job."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys

import psutil
import pytest

from core.jobs.children import environment
from core.jobs.progress import JOB_VARIABLE
from core.workspace.files import ROOT


def test_threads_are_quiet_unless_a_person_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv(JOB_VARIABLE, "somewhere")
    told = environment()
    assert told["OMP_WAIT_POLICY"] == "PASSIVE"
    assert told["GOMP_SPINCOUNT"] == "7"
    assert JOB_VARIABLE not in told


def test_a_command_quiets_its_threads(tmp_path: pathlib.Path) -> None:
    script = (
        "import json, os, sys; from core.__main__ import main; "
        f"main(['--workspace', {str(tmp_path)!r}, 'list']); "
        "print(json.dumps({k: os.environ.get(k) for k in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')}))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert json.loads(told.stdout.splitlines()[-1]) == {
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "2000",
    }


def test_a_helper_ends_when_its_parent_is_killed(tmp_path: pathlib.Path) -> None:
    helper = (
        "from core.jobs.children import end_with_parent as e; import time; e(); time.sleep(600)"
    )
    script = (
        "import subprocess, sys; from core.jobs.children import environment; "
        f"p = subprocess.Popen([sys.executable, '-c', {helper!r}], env=environment()); "
        "print(p.pid, flush=True); p.wait()"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    child.wait(timeout=60)


@pytest.mark.parametrize("victim", ["command", "launcher"])
def test_a_process_of_a_group_ends_with_what_started_it(
    tmp_path: pathlib.Path, victim: str
) -> None:
    """A launcher starts each process in a session of its own, so that no signal to a group hits."""
    rank = (
        "from core.jobs.children import end_with_launcher as e; import os, pathlib, time; "
        f"e(pathlib.Path({str(tmp_path)!r})); print(os.getpid(), flush=True); time.sleep(600)"
    )
    launcher = (
        "import subprocess, sys; "
        f"subprocess.Popen([sys.executable, '-c', {rank!r}], start_new_session=True).wait()"
    )
    command = (
        "import os, pathlib, subprocess, sys; from core.jobs.launchers import _living\n"
        f"with _living(pathlib.Path({str(tmp_path)!r})):\n"
        f" p = subprocess.Popen([sys.executable, '-c', {launcher!r}])\n"
        " print(p.pid, flush=True); p.wait()"
    )
    top = subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True)
    assert top.stdout is not None
    middle, low = (psutil.Process(int(top.stdout.readline())) for _ in range(2))
    (psutil.Process(top.pid) if victim == "command" else middle).kill()
    low.wait(timeout=60)
    for process in (middle, top):
        process.wait(timeout=60)


def test_a_process_that_leaves_has_written_everything_and_done_what_was_registered():
    code = (
        "import atexit, sys; from core.jobs.children import leave\n"
        "atexit.register(lambda: print('registered'))\n"
        "sys.stdout.write('written'); sys.stderr.write('too'); leave(3)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "writtenregistered\n", "too")
