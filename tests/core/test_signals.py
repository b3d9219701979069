"""What a signal ends says so, saves what it can, and leaves nobody waiting."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from core import jobs
from core.jobs import record, supervisor
from core.jobs.files import write_worker
from core.workspace.files import ROOT, write_json
from tests.core.jobs.conftest import until

WAITS = """
import sys, core.__main__, importlib, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from core.jobs.progress import Stopped, stop_requested
def run(workspace, settings):
    print("ready", file=sys.stderr, flush=True)
    while not stop_requested():
        {inside}
    raise Stopped
core.__main__._declared = lambda noun: (importlib.import_module(f"core.{noun}").Settings, run)
sys.exit(core.__main__.main())
"""
SWALLOWS = """
        try:
            time.sleep(0.01)
        except KeyboardInterrupt:
            raise ValueError("a library's own") from None
"""


def ended(argv, number, inside="time.sleep(0.01)"):
    """Start a command that works until it is told to stop, send a signal, and return its end."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITS.replace("{inside}", inside.strip("\n").lstrip()), *argv],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr.readline() == "ready\n"
        process.send_signal(number)
        said = process.stderr.read()
    return process.returncode, said


TRAIN = ["trajectories", "--dataset=x", "--model=scratch:tiny"]
IMPORT = ["dataset", "--path=x"]


def test_sigterm_lets_a_training_save_and_says_so():
    code, said = ended(TRAIN, signal.SIGTERM)
    assert (code, said.splitlines()) == (
        3,
        [
            "asked to end: the step is finished and saved",
            "stopped; what was saved can be resumed",
        ],
    )


def test_sigterm_ends_an_import_and_says_to_import_again():
    code, said = ended(IMPORT, signal.SIGTERM)
    assert (code, said) == (143, "terminated before it was done; import it again\n")


@pytest.mark.parametrize("inside", ["time.sleep(0.01)", SWALLOWS], ids=["plain", "swallowed"])
def test_ctrl_c_ends_with_130_and_the_sentence(inside):
    code, said = ended(TRAIN, signal.SIGINT, inside)
    want = "interrupted; an unfinished run can be continued with --resume\n"
    assert (code, said) == (130, want)


def job(workspace, argv, **files):
    folder = workspace.root / "jobs" / "20260101-000000001-aaaa"
    folder.mkdir(parents=True)
    write_json(folder / "spec.json", {"argv": argv, "title": "t", "device": "cpu"})
    for name in ("lock", "log"):
        (folder / name).touch()
    return folder


def test_a_lost_import_is_to_be_imported_again(bare):
    job(bare, [sys.executable, "-m", "core", "dataset", "--path", "x"])
    assert jobs.jobs(bare)[0].message.endswith("; import it again")


def test_a_killed_import_is_offered_no_smaller_batch(bare):
    folder = job(bare, [sys.executable, "-m", "core", "dataset", "--path", "x"])
    _, why, _ = supervisor._verdict(folder, "", -signal.SIGKILL)
    assert why.endswith("because memory ran out; import it again")


def test_a_worker_without_a_sign_of_life_is_not_responding(bare):
    folder = job(bare, ["x"])
    held = record.lock_file(folder / "lock")
    write_worker(folder, os.getpid(), os.getpid())
    assert jobs.jobs(bare)[0].message == ""
    past = time.time() - 12 * 60
    worker = json.loads((folder / "worker.json").read_text())
    (folder / "worker.json").write_text(json.dumps({**worker, "clock": worker["clock"] - 12 * 60}))
    for name in ("log", "worker.json"):
        os.utime(folder / name, (past, past))
    found = jobs.jobs(bare)[0]
    assert found.state == "running"
    assert found.message.startswith("not responding: no sign of life for 12 min")
    os.close(held)


def test_a_clock_put_back_does_not_lengthen_the_time_left(bare):
    folder = job(bare, ["x"])
    held = record.lock_file(folder / "lock")
    write_worker(folder, os.getpid(), os.getpid())
    line = {"stage": "s", "step": 1, "total": 2, "left": 10.0, "time": time.time() + 1e6}
    (folder / "progress.jsonl").write_text(json.dumps(line) + "\n")
    assert jobs.jobs(bare)[0].seconds_left == 10.0
    os.close(held)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc here")  # noqa: PTH112
def test_a_frozen_supervisor_whose_worker_is_dead_is_ended(bare):
    folder = job(bare, ["x"])
    for module, dies in (("something.else", False), ("core.jobs.supervisor", True)):
        code = "import sys, time; print(1, flush=True); time.sleep(600)"
        with subprocess.Popen(
            [sys.executable, "-c", code, module, str(folder)], stdout=subprocess.PIPE
        ) as frozen:
            frozen.stdout.readline()
            write_worker(folder, 2**30, frozen.pid)
            supervisor._end_frozen(folder)
            assert frozen.poll() is None, "it is not frozen"
            frozen.send_signal(signal.SIGSTOP)
            until(lambda pid=frozen.pid: supervisor._process(pid) == "T")
            supervisor._end_frozen(folder)
            if not dies:
                frozen.kill()
            assert frozen.wait() == -signal.SIGKILL


def test_a_deleted_job_is_not_made_again(bare):
    folder = bare.root / "jobs" / "20260101-000000001-aaaa"
    with pytest.raises(FileNotFoundError):
        write_worker(folder, 1, 1)
    record.write_outcome(folder, {"state": "done"})
    assert not bare.root.exists()
