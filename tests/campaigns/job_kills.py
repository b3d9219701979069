"""Kill the processes of a job: its worker, its supervisor, both; at their first, any, or last moment.

Part of `tests.campaigns.kills`. Supervisor and worker are forks that have loaded the libraries, else a trial
takes ten times as long: each in a session of its own, with the open files that it would have.
"""

import contextlib
import importlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import traceback
from unittest import mock

from core import jobs
from core.jobs.files import STATUS, load_worker
from core.jobs.record import folder_of
from core.workspace.store import Workspace

PATIENCE = 240.0
VICTIMS = ("worker", "supervisor", "both")
REAL = subprocess.Popen


class Forked:
    """What `subprocess.Popen` would start, as a fork."""

    def __init__(self, argv, *, pass_fds=(), env=None, cwd=None, **files) -> None:
        self.returncode, self.code = None, 1
        self.pid = os.fork()
        if not self.pid:
            try:
                self.code = self.be(argv, set(pass_fds), env, cwd, files)
            except SystemExit as e:
                self.code = e.code or 0
            except BaseException:
                traceback.print_exc()
                self.code = 1
            finally:
                with contextlib.suppress(Exception):
                    sys.stdout.flush()
                    sys.stderr.flush()
                os._exit(self.code)

    def be(self, argv, kept, env, cwd, files) -> int:
        os.setsid()
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signal_number, signal.SIG_DFL)
        if "stdin" in files:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, name in ((1, "stdout"), (2, "stderr")):
            if name in files:
                os.dup2(files[name].fileno(), number)
        for fd in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
            if fd > 2 and fd not in kept:
                with contextlib.suppress(OSError):
                    os.close(fd)
        os.environ.clear()
        os.environ.update(env or ENVIRONMENT)
        os.chdir(cwd)
        if argv[2] == "core.jobs.supervisor":
            importlib.import_module(argv[2]).main(pathlib.Path(argv[3]), *argv[4:])
            return 0
        sys.argv = ["core", *argv[3:]]
        return int(importlib.import_module("core.__main__").main() or 0)

    def poll(self) -> int | None:
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self) -> int | None:
        while self.poll() is None:
            time.sleep(0.01)
        return self.returncode


ENVIRONMENT = dict(os.environ)


def start(argv, **how):
    """Fork our own commands, start others."""
    if list(argv[1:2]) == ["-m"] and argv[2] in ("core", "core.jobs.supervisor"):
        STARTED.append(Forked(argv, **how))
        return STARTED[-1]
    return REAL(argv, **how)


STARTED: list[Forked] = []


def kill(trial, rng: random.Random, moment: str) -> tuple[str, bool, list[str]]:
    """Kill processes of a job; return which, whether they lived until then, and what was wrong."""
    from tests.campaigns.kills import argv_in, quick, sealing

    root = trial.fresh()
    workspace, victim = Workspace(root), rng.choice(VICTIMS)
    timing = mock.patch("core.training.time_estimate.measure", quick)
    with mock.patch.object(subprocess, "Popen", start), timing:
        argv = argv_in(root, trial.command, again=False)[:-2]
        id = jobs.submit(workspace, argv, title=trial.noun, device="none", grace=5.0)
        supervisor = STARTED[-1].pid
        folder, end = folder_of(workspace, id), time.monotonic() + PATIENCE
        early = victim == "supervisor" and moment == "first"
        while not (facts := load_worker(folder)) and not early:
            if time.monotonic() > end:
                return victim, False, ["never began"]
            time.sleep(0.001)
        reached = {
            "last": lambda: (folder / STATUS).exists(),
            "sealing": lambda: (
                sealing(root, trial.noun, trial.before) or (folder / STATUS).exists()
            ),
        }.get(moment)
        if reached:
            while not reached() and time.monotonic() < end:
                time.sleep(0.0005)
            time.sleep(rng.random() * (0.3 if victim == "supervisor" else 0.05))
        else:
            time.sleep(rng.random() * (0.1 if moment == "first" else trial.took))
        pids = [supervisor] * (victim != "worker")
        pids += [facts["pgid"]] if victim != "supervisor" else []
        hit = False
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                hit |= pathlib.Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
                os.kill(pid, signal.SIGKILL)
        while (state := jobs.status(workspace, id).state) in jobs.ACTIVE:
            if time.monotonic() > end:
                return victim, hit, [f"still shown as {state}"]
            time.sleep(0.02)
        wrong = [] if jobs.status(workspace, id).message or state == "done" else [f"{state} mute"]
    return victim, hit, [*wrong, *trial.again(root)]
