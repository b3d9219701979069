"""Will it fit, how long will it take, what will it cost: tried in a process of its own.

`FitRun` starts the process, looks after it, and where the fine-tune does not fit tries the settings
that change least, one after the other. What was found is kept in the workspace's cache.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from core.finetune.fit_child import (
    EXIT_MEMORY,
    EXIT_TIME,
    MEASURED,
    ORDER,
    STAGE,
)
from core.finetune.forecast import Forecast, forecast
from core.finetune.settings import Settings, resolve
from core.jobs.bounds import loosened
from core.jobs.children import environment
from core.jobs.progress import duration
from core.model import loading, methods
from core.model.methods import QLORA
from core.model.tokenizers import named
from core.settings import to_config
from core.training.fit_disk import Disk, needed
from core.training.fit_memory import VARIABLE, Memory, gib
from core.workspace.files import ROOT, fingerprint, read_json, write_json
from core.workspace.roles import editors
from core.workspace.store import Workspace

SECONDS = 600.0
"""One try takes at most so long."""
SHORTEST = 64
"""Tokens below which rows are not cut to make a model fit."""
FOUND = "fit.json"
VERSION = 4
"""Of what is measured: raise it when forecasts need something else."""
OWN = ("resume", "name", "dry_run", "price", "processes", "launcher", "shard")
"""Settings that change nothing in what one process of a run takes."""


class Way(NamedTuple):
    """Settings that fit."""

    changes: dict[str, Any]
    """Setting -> value."""
    sentence: str


@dataclasses.dataclass(frozen=True)
class Fit:
    """What a try has found."""

    problem: str = ""
    """Why the fine-tune cannot be done at all, or the try was not finished; empty where it was."""
    fits: bool = False
    why: str = ""
    """Why it does not fit."""
    ways: tuple[Way, ...] = ()
    measured: dict[str, Any] = dataclasses.field(default_factory=dict)
    at: float = 0.0
    """When, in seconds since 1970."""

    @property
    def forecast(self) -> Forecast | None:
        return forecast(self.measured) if "test" in self.measured else None

    @property
    def peak(self) -> Memory:
        return Memory(**self.measured["peak"])

    @property
    def room(self) -> Memory:
        return Memory(**self.measured["room"])

    @property
    def disk(self) -> Disk:
        m = self.measured
        looks = m.get("looks", {})
        copies = int(looks.get("copies", looks.get("kept", 0)))
        return needed(int(m["trainable"]), float(m["bytes_saved"]), copies)

    def memory(self) -> str:
        """Say what is taken of what there is, at most."""
        where, peak, room = "this machine's memory", self.peak, self.room
        if not room.device:
            return f"{gib(peak.host)} of the {gib(room.host)} of {where} that may be taken"
        return (
            f"{gib(peak.device)} of the GPU's {gib(room.device)} that may be taken, and "
            f"{gib(peak.host)} of {gib(room.host)} of {where}"
        )


def find(workspace: Workspace, settings: Settings) -> Fit | None:
    """Return what was found of these settings before; None where they were not tried."""
    kept = read_json(folder_of(workspace, settings) / FOUND)
    if not kept:
        return None
    ways = tuple(Way(*way) for way in kept.pop("ways"))
    return Fit(**kept, ways=ways)


def folder_of(workspace: Workspace, settings: Settings) -> pathlib.Path:
    """Return where a try of these settings is kept."""
    s = resolve(settings)
    config = {k: v for k, v in to_config(s).items() if k not in OWN}
    folder = named(loading.base_of(s.model))
    written = folder.stat().st_mtime if folder.is_dir() else 0
    key = fingerprint("fit", VERSION, config, written, os.environ.get(VARIABLE, ""))
    return workspace.cache / "fit" / key


class FitRun:
    """A try under way. It ends with whoever started it."""

    def __init__(self, workspace: Workspace, settings: Settings, seconds: float = SECONDS) -> None:
        """Start it.

        Raises:
            InputError: there is no such selection.
        """
        self.workspace, self.settings, self.limit = workspace, resolve(settings), seconds
        workspace.open(settings.selection, "selection")
        self.folder = folder_of(workspace, settings)
        self.result: Fit | None = None
        self.ways: list[Way] = []
        self.candidates: Iterator[dict[str, Any]] | None = None
        self.changes: dict[str, Any] = {}
        self.first: dict[str, Any] = {}
        self.process = self._start({})

    @editors("start work")
    def _start(self, changes: dict[str, Any]) -> subprocess.Popen[bytes]:
        self.changes = changes
        tried = dataclasses.replace(self.settings, **changes)
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in (STAGE, MEASURED):
            (self.folder / name).unlink(missing_ok=True)
        order = {
            "workspace": str(self.workspace.root.resolve()),
            "settings": to_config(tried),
            "seconds": self.limit,
            "only_fit": bool(changes),
        }
        write_json(self.folder / ORDER, order)
        self.began = time.monotonic()
        with (self.folder / "log").open("wb") as log, loosened():
            return subprocess.Popen(
                [sys.executable, "-m", "core.finetune.fit_child", str(self.folder.resolve())],
                stdin=subprocess.PIPE,  # its end is ours: the child ends when it closes
                stdout=log,
                stderr=log,
                env=environment(),
                cwd=ROOT,
                start_new_session=True,
            )

    def stage(self) -> str:
        """Say what is done now."""
        stage = (read_json(self.folder / STAGE) or {}).get("stage", "loading the libraries")
        return f"{_words(self.changes)}: {stage}" if self.changes else stage

    def poll(self) -> Fit | None:
        """Return what was found, once all is; go on to the next try where one does not fit."""
        if self.result is not None:
            return self.result
        if self.process.poll() is None:
            if time.monotonic() - self.began < self.limit + 30:  # it ends by itself before
                return None
            self._end()
        measured = self._measured()
        if self.candidates is None:
            if measured.get("error"):
                return self._done(Fit(measured["error"]))
            if measured["fits"]:
                return self._done(Fit(fits=True, measured=measured))
            self.first = measured
            self.candidates = candidates(self.settings, measured, self.ways)
        elif measured.get("fits"):
            self.ways.append(Way(self.changes, sentence(self.changes, measured)))
        following = next(self.candidates, None)
        if following is None:
            why = self.first["problem"]
            return self._done(Fit(why=why, ways=tuple(self.ways), measured=self.first))
        self.process = self._start(following)
        return None

    def kill(self) -> None:
        """End the try; nothing of it is kept."""
        if self.result is None:
            self._end()
            self.result = Fit("the try was stopped")

    def wait(self) -> Fit:
        """Return what was found; what is done now is said meanwhile."""
        from core.jobs.progress import say

        said = ""
        try:
            while (fit := self.poll()) is None:
                if (stage := self.stage()) != said:
                    said = stage
                    say(stage)
                time.sleep(0.1)
            return fit
        finally:
            self.kill()

    def _end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()

    def _measured(self) -> dict[str, Any]:
        """Return what the process wrote, or what its end means where it wrote nothing."""
        self._end()
        facts = read_json(self.folder / STAGE) or {}
        code = self.process.returncode
        if (measured := read_json(self.folder / MEASURED)) and code in (0, EXIT_MEMORY):
            return {"longest": facts.get("longest"), **measured}
        if code == EXIT_TIME:
            over = f"the try was not over within {duration(self.limit)} ({facts.get('stage')})"
            return {"error": over}
        if code == -signal.SIGKILL:
            out = {"fits": False, "problem": "the system ended the try: memory ran out"}
            return {**out, "longest": facts.get("longest")}
        log = (self.folder / "log").read_text(errors="replace").strip().splitlines()
        return {"error": f"the try ended with exit code {code}: {' '.join(log[-3:])[-500:]}"}

    def _done(self, fit: Fit) -> Fit:
        self.result = dataclasses.replace(fit, at=time.time())
        if not fit.problem:
            write_json(self.folder / FOUND, dataclasses.asdict(self.result))
        return self.result


def candidates(
    s: Settings, measured: dict[str, Any], fitting: list[Way]
) -> Iterator[dict[str, Any]]:
    """Yield changes to try, those first that leave the result as it is.

    Args:
        s: What does not fit.
        measured: What was found of it.
        fitting: What has been found to fit so far; grows while this is gone through.
    """
    same = {}
    if s.micro_batch != "auto":
        same["micro_batch"] = "auto"
    if s.gradient_checkpointing is False:
        same["gradient_checkpointing"] = "auto"
    if same:
        yield same
        if fitting:
            return
    if s.method == "full":
        yield {**same, "method": "lora"}
    pretrained = not s.model.startswith(("scratch:", "shrink:"))
    if s.method != QLORA and pretrained and not methods.available(QLORA):
        yield {**same, "method": QLORA}
    length, before = int(measured.get("longest") or 0) // 2, len(fitting)
    while length >= SHORTEST:
        yield {**same, "max_length": length}
        if len(fitting) > before and "max_length" in fitting[-1].changes:
            return
        length //= 2


def sentence(changes: dict[str, Any], measured: dict[str, Any]) -> str:
    """Say what a change means, and what memory it takes."""
    peak, room = Memory(**measured["peak"]), Memory(**measured["room"])
    sizes = gib(peak.device or peak.host), gib(room.device or room.host)
    return f"{_words(changes)}: {sizes[0]} of {sizes[1]}"


def _words(changes: dict[str, Any]) -> str:
    said = {
        "method": {"lora": "a LoRA adapter", "qlora": "an adapter on weights in 4 bits"},
        "micro_batch": {"auto": "as many rows at once as fit"},
        "gradient_checkpointing": {"auto": "layers computed again"},
    }
    words = [
        said[name].get(str(value), f"{value}") if name in said else f"rows cut at {value:,} tokens"
        for name, value in changes.items()
    ]
    return ", ".join(reversed(words))
