"""Slurm: a run as a batch job of a cluster, followed from here like a process of this machine.

What the run reports is read where it writes it. Whoever follows may vanish: the same command with
--resume finds the job again. A cluster that does not answer is waited for.
"""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from core.errors import InputError
from core.jobs.files import PROGRESS, Outcome, outcome
from core.jobs.progress import job_dir, say
from core.jobs.slurm import (
    AWAY,
    EXIT,
    GONE,
    JOB,
    LIMIT,
    LOG,
    TOLD,
    cancel,
    folder_of,
    last_state,
    over,
    state_of,
    submit,
    told_in,
)
from core.workspace.files import append_jsonl, read_json
from core.workspace.store import Workspace

POLL, ASK = 1.0, 10.0
"""Seconds between two looks at the run's files, and between two questions to Slurm."""
SURE = 3
"""Times that Slurm must say a job is gone: files reach other machines a little later."""
WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SUSPENDED")
UNREACHABLE = "unreachable"
"""Metric of the progress records that say why Slurm does not answer."""
ENDS = {
    "TIMEOUT": ("it came to Slurm's time limit", "lost-process"),
    "DEADLINE": ("it came to Slurm's deadline", "lost-process"),
    "OUT_OF_MEMORY": ("Slurm ended it: it took more memory than it had asked for", "host-memory"),
    "NODE_FAIL": ("its node went down", "lost-process"),
    "BOOT_FAIL": ("its node did not start", "lost-process"),
    "PREEMPTED": ("another job took its place", "lost-process"),
}
"""State of Slurm -> what happened, name of the failure."""
SILENT = ("a task ended without a word; the log may say why", "lost-process")


def slurm(workspace: Workspace, argv: Sequence[str], processes: int) -> list[Outcome]:
    """Share the work among tasks of one job of Slurm; return what they told.

    Raises:
        InputError: no Slurm here, it does not take the job, or one of the same settings is at work.
    """
    if not shutil.which("sbatch"):
        raise InputError(
            "--launcher slurm needs Slurm's commands, and there is no sbatch on this machine's "
            "PATH; start this where jobs are submitted, or take --launcher torchrun"
        )
    folder = folder_of(workspace, argv)
    resumes = "--resume" in argv
    id = str((read_json(folder / JOB) or {}).get("id", ""))
    if id and over(folder, id):
        outcomes = told_in(folder / TOLD) if resumes else []
        if outcomes and all(t["state"] == "done" for t in outcomes):
            (folder / JOB).unlink()
            return outcomes
        id = ""
    if id and not resumes:
        raise InputError(
            f"Slurm's job {id} is at work on the same settings; --resume follows it, and "
            f"`scancel {id}` ends it"
        )
    if id:
        say(f"Slurm's job {id} is still there; following it")
    else:
        id = submit(folder, argv, processes)
        say(f"Slurm took it as job {id}")
    outcomes = Follower(folder, id, processes).follow()
    (folder / JOB).unlink(missing_ok=True)
    return outcomes


class Follower:
    """Follows a job until its end: passes on its log, its progress, and a wish to stop."""

    def __init__(self, folder: pathlib.Path, id: str, processes: int) -> None:
        """Begin with what the job has written so far."""
        self.folder, self.id, self.processes = folder, id, processes
        self.read = {LOG: 0, PROGRESS: 0}
        """File -> bytes that were passed on."""
        self.here = job_dir()
        self.said = ""
        self.gone = self.silent = 0
        self.away_since = 0.0

    def follow(self) -> list[Outcome]:
        """Return what the tasks told, or what their silence means."""
        asked = -ASK
        with _interruptible():
            try:
                while True:
                    self.pass_on()
                    if self.over():
                        self.pass_on()
                        return self.ended("")
                    if time.monotonic() - asked >= ASK:
                        asked = time.monotonic()
                        if (outcomes := self.look()) is not None:
                            return outcomes
                    time.sleep(POLL)
            except KeyboardInterrupt:
                cancel(self.id)
                raise

    def over(self) -> bool:
        """Say whether the script has ended, or all tasks have and nothing has come since."""
        if (self.folder / EXIT).exists():
            return True
        self.silent += len(told_in(self.folder / TOLD)) == self.processes
        return self.silent > SURE * ASK / POLL

    def look(self) -> list[Outcome] | None:
        """Ask Slurm; return what became of the job where it is over."""
        state = state_of(self.id)
        if state.word == AWAY:
            self.away_since = self.away_since or time.time()
            since = time.strftime("%H:%M", time.localtime(self.away_since))
            self.tell(f"Slurm has not answered since {since}", **{UNREACHABLE: state.reason})
            return None
        self.away_since = 0.0
        self.gone = self.gone + 1 if state.word == GONE else 0
        if self.gone >= SURE:
            self.pass_on()
            return self.ended(last_state(self.id))
        if state.word in WAITING:
            if self.here and (self.here / "STOP").exists():
                cancel(self.id)
                return [_end("stopped", "stopped while it waited in Slurm's queue")]
            self.tell(f"waits in Slurm's queue ({state.reason})")
        elif self.said:
            self.tell("runs under Slurm")
            self.said = ""
        return None

    def tell(self, stage: str, **metrics: Any) -> None:
        """Report a stage that the run itself cannot report, once."""
        if stage != self.said:
            self.said = stage
            say(stage)
            record = {"stage": stage, "step": 0, "total": 1, "left": None, "time": time.time()}
            if self.here:
                append_jsonl(self.here / PROGRESS, {**record, **metrics})

    def pass_on(self) -> None:
        """Copy what the run has written to this process's log and job, and a wish to it."""
        if new := self._new(LOG):
            sys.stderr.write(new.decode(errors="replace"))
            sys.stderr.flush()
        new = self._new(PROGRESS)
        if not self.here:
            return
        if new:
            with (self.here / PROGRESS).open("ab") as own:
                own.write(new)
        for file in self.folder.glob("*.json"):
            if file.name != JOB and not (self.here / file.name).exists():
                shutil.copyfile(file, self.here / file.name)
        stop = self.here / "STOP"
        if stop.exists() and not (self.folder / "STOP").exists():
            (self.folder / "STOP").write_bytes(stop.read_bytes())

    def _new(self, name: str) -> bytes:
        """Return what a file has gained, whole lines only."""
        with contextlib.suppress(FileNotFoundError), (self.folder / name).open("rb") as file:
            file.seek(self.read[name])
            new = file.read()
            new = new[: new.rfind(b"\n") + 1]
            self.read[name] += len(new)
            return new
        return b""

    def ended(self, state: str) -> list[Outcome]:
        """Return what the tasks told; where none did, what Slurm's last state of the job means."""
        outcomes = told_in(self.folder / TOLD)
        if (self.folder / LIMIT).exists():
            for one in outcomes:
                if one["state"] == "stopped":
                    one["message"] += "; Slurm's time limit was near: --resume goes on"
        if outcomes and (
            len(outcomes) == self.processes or any(t["state"] != "done" for t in outcomes)
        ):
            return outcomes
        if state.startswith("CANCELLED"):
            words = f"Slurm's job {self.id} was cancelled; what was saved before can be resumed"
            return [_end("stopped", words)]
        ends = ENDS.get(state, SILENT)
        words = f"Slurm's job {self.id} did not finish: {ends[0]}; --resume continues from the "
        return [_end("failed", words + "last saved checkpoint", ends[1])]


def _end(state: str, message: str, failure: str = "") -> Outcome:
    """Return the end of a job of which no task told anything."""
    return {**outcome(state, message=message, failure=failure), "time": time.time()}


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C meanwhile, so that the cluster's job is ended with this one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
