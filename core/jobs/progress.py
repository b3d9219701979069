"""How long work reports: to a person on stderr, with the time left, and to its job directory.

A worker started as a job finds its directory in the environment variable S2L_JOB. A stop is asked
for by a file named STOP there, and honoured at the next step.
"""

from __future__ import annotations

import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from core.jobs.files import PROGRESS, ProgressRecord
from core.workspace.files import append_jsonl

JOB_VARIABLE = "S2L_JOB"
DISCARD = "discard"
"""What the STOP file says where nothing is to be kept."""
SAVED = "saved"
"""Metric of the progress records that say which step a run can go on from."""


class Stopped(Exception):
    """The run was asked to stop and has saved what it had."""


def job_dir() -> pathlib.Path | None:
    """Return the directory of the job this process works for."""
    value = os.environ.get(JOB_VARIABLE)
    return pathlib.Path(value) if value else None


class Terminated(KeyboardInterrupt):
    """The system, or somebody, wants this process to end, and it cannot save more than it has."""


_TERMINATED: list[int] = []


def terminated() -> bool:
    """Say whether this process was sent SIGTERM."""
    return bool(_TERMINATED)


def on_sigterm(*, saves: bool) -> None:
    """Let SIGTERM be a stop: a run that saves finishes its step; the second one ends it at once."""

    def handle(number: int, frame: object) -> None:
        if not saves or stop_requested():
            raise Terminated
        _TERMINATED.append(number)
        say("asked to end: the step is finished and saved")

    signal.signal(signal.SIGTERM, handle)


def stop_requested() -> bool:
    """Say whether someone asked this run to stop."""
    job = job_dir()
    return terminated() or (job is not None and (job / "STOP").exists())


def discard_requested() -> bool:
    """Say whether whoever asked to stop wants nothing kept."""
    job = job_dir()
    return job is not None and discard_wanted(job)


def discard_wanted(job: pathlib.Path) -> bool:
    """Say whether a job was asked to stop and to keep nothing."""
    return _said(job / "STOP") == DISCARD


def _said(file: pathlib.Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


class Progress:
    """Report the steps of one stage: at most two records a second, first and last always.

    Where stderr is a file or a pipe, a person reads a line every five seconds.
    """

    def __init__(
        self,
        stage: str,
        total: int,
        *,
        done: int = 0,
        brief: bool = False,
        expected: float | None = None,
    ) -> None:
        """Begin a stage of `total` steps, `done` of them already behind us (a resumed run).

        A `brief` one, part of a longer stage, says nothing until it has taken two seconds.
        `expected` seconds stand as the time left until the steps themselves say better.
        """
        self.stage, self.total, self.done = stage, max(total, 1), done
        self.expected = expected
        self.aside = self.ahead = 0.0
        """Seconds that other work inside this stage has taken, and those it will still take."""
        self.left: Callable[[], float | None] | None = None
        """Gives the seconds left, where steps are too uneven to tell."""
        self._first = done
        self._began = time.monotonic()
        self._last = self._said = 0.0
        self._log = job_dir()
        self._silent = brief
        self.update(done)

    def update(self, done: int, **metrics: Any) -> None:
        """Report that `done` of `total` steps are finished; metrics are plain numbers or texts."""
        self.done = done
        now = time.monotonic()
        self._silent = self._silent and now - self._began < 2
        if self._silent or (now - self._last < 0.5 and done < self.total):
            return
        self._last = now
        left = self.seconds_left()
        self._note(done, left, metrics)
        if now - self._said < 5 and done < self.total and not sys.stderr.isatty():
            return
        self._said = now
        shown = " ".join(
            f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in metrics.items()
        )
        after = f"{duration(left)} left" if left is not None else ""
        line = f"{self.stage}: {done:,} of {self.total:,}  {shown}  {after}".rstrip()
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{line}" + ("\n" if done >= self.total else ""))
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def saved(self, step: int, **metrics: Any) -> None:
        """Note for the job that a run can go on from this step."""
        self._note(step, self.seconds_left(), {**metrics, SAVED: step})

    def _note(self, done: int, left: float | None, metrics: dict[str, Any]) -> None:
        if self._log is not None:
            record: ProgressRecord = {
                "stage": self.stage,
                "step": done,
                "total": self.total,
                "left": left,
                "time": time.time(),
                "clock": time.monotonic(),
            }
            append_jsonl(self._log / PROGRESS, {**record, **metrics})

    def seconds_left(self) -> float | None:
        """Estimate the seconds left of this stage; None before the first step says anything."""
        if self.left:
            return self.left()
        steps, spent = self.done - self._first, time.monotonic() - self._began
        if steps <= 0:
            return None if self.expected is None else max(0.0, self.expected - spent)
        return (spent - self.aside) / steps * (self.total - self.done) + self.ahead


def speed(rows: int, tokens: int, seconds: float) -> dict[str, float]:
    """Return rows and tokens a second, by the names under which progress reports them."""
    rates = {"rows/s": rows / max(seconds, 1e-3), "tokens/s": tokens / max(seconds, 1e-3)}
    return {k: round(v) if v >= 10 else round(v, 2) for k, v in rates.items()}


def say(text: str) -> None:
    """Write one line for a person; of several processes on one run the first does."""
    if os.environ.get("RANK", "0") != "0":
        return
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def duration(seconds: float | None) -> str:
    """Write seconds as people say them: 40 s, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
