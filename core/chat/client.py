"""The chat as its readers see it: a question goes in, pieces of the answer come out.

The model lives in a process of its own, started by the first question. It ends with this one, so a
server that is killed leaves nothing behind.
"""

from __future__ import annotations

import dataclasses
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from core.chat.settings import Sampling
from core.errors import InputError
from core.jobs.bounds import loosened
from core.jobs.children import environment
from core.model.conversation import Turn
from core.workspace.files import ROOT
from core.workspace.roles import editors
from core.workspace.store import Workspace

WORKER = "core.chat.worker"
IDLE = 600.0
"""Seconds after the last answer at which the model leaves the memory."""
TICK = 0.5
"""Seconds of silence after which a reader is told that there is nothing yet."""


class Event(NamedTuple):
    """Something that happens while an answer is written."""

    kind: str
    """wait, load, text, end; an error is raised."""
    facts: dict[str, Any]
    """`text` of a piece; of an end what `core.chat.answer.Answer` has."""


class Talker:
    """The one process of a server that holds a model to talk to; used by one asker at a time."""

    def __init__(self, workspace: Workspace, *, idle: float = IDLE) -> None:
        self._workspace, self._idle = workspace, idle
        self._one = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._events: queue.Queue[str] = queue.Queue()
        self._orders = 0
        self._order: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        """The process that holds a model; 0 where none does."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else 0

    def ask(self, model: str, talk: list[Turn], sampling: Sampling) -> Iterator[Event]:
        """Yield what happens until the answer's end; whoever stops reading stops the answer.

        Args:
            model: A fine-tune's id, or `base:<id>`.
            talk: Turns, the last one a person's.
            sampling: Temperature, longest answer, seed.

        Raises:
            InputError: another is being answered, the model cannot be loaded, or its process died.
        """
        if not self._one.acquire(blocking=False):
            raise InputError(
                "another answer is being written on this server; ask again when it has ended"
            )
        ended = False
        number = -1
        try:
            number = self._send(model, talk, sampling)
            for event in self._read(number):
                ended = event.kind in ("end", "error")
                if event.kind == "error":
                    raise InputError(str(event.facts["message"]))
                yield event
        finally:
            if not ended and number >= 0:
                self._write({"halt": number})
            self._one.release()

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()

    def _send(self, model: str, talk: list[Turn], sampling: Sampling) -> int:
        self._orders += 1
        self._order = {
            "order": self._orders,
            "model": model,
            "talk": talk,
            "sampling": dataclasses.asdict(sampling),
        }
        if not self.pid or not self._write(self._order):
            self._start()
            self._write(self._order)
        return self._orders

    def _write(self, order: dict[str, Any]) -> bool:
        process = self._process
        try:
            if process is None or process.stdin is None:
                return False
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        except OSError:  # it ended by itself
            return False
        return True

    @editors("start work")
    def _start(self) -> None:
        self.close()
        with loosened():
            self._process = process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "core.chat.worker",
                    str(self._workspace.root),
                    str(self._idle),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                cwd=ROOT,
                env=environment(),
            )
        events: queue.Queue[str] = queue.Queue()
        self._events = events

        def pump() -> None:
            for line in process.stdout or ():
                events.put(line)
            process.wait()
            events.put("")

        threading.Thread(target=pump, daemon=True).start()

    def _read(self, number: int) -> Iterator[Event]:
        fresh = True  # nothing was heard yet: the process may have ended just as the order came
        while True:
            try:
                line = self._events.get(timeout=TICK)
            except queue.Empty:
                yield Event("wait", {})
                continue
            if not line:
                code = self._process.returncode if self._process else 0
                if fresh and code == 0:
                    fresh = False
                    self._start()
                    self._write(self._order)
                    continue
                why = "often because memory ran out" if code == -9 else f"exit code {code}"
                raise InputError(f"the chat's process ended ({why}); ask again to start it anew")
            facts = json.loads(line)
            if facts.pop("order") != number:
                continue  # what an earlier asker did not wait for
            fresh = False
            event = Event(facts.pop("event"), facts)
            yield event
            if event.kind in ("end", "error"):
                return
