"""The process that holds the model of a chat: orders come in on stdin, pieces go out on stdout.

A line is a JSON object. It ends by itself: when whoever started it is gone (its stdin ends), when
nothing was asked for a while, or when a job begins on the device that it holds.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from typing import Any

from core.chat.answer import answer
from core.chat.busy import busy
from core.chat.settings import Sampling
from core.chat.speakers import Shelf, of
from core.errors import InputError
from core.workspace.store import Workspace

LOOK = 2.0
"""Seconds between two looks at the jobs, while nothing is asked."""
EASY = 5
"""Added to the nice value: a training goes first."""
Order = dict[str, Any]


class Post:
    """Orders from stdin, and events to stdout; the process ends when either is cut off."""

    def __init__(self) -> None:
        self.orders: queue.Queue[Order] = queue.Queue()
        self._halted = -1
        """The newest order that nobody waits for any more."""
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # what a library prints is no event
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            order = json.loads(line)
            if "halt" in order:
                self._halted = max(self._halted, order["halt"])
            else:
                self.orders.put(order)
        os._exit(0)  # even in the middle of an answer: nobody is left to hear it

    def halted(self, order: int) -> bool:
        """Say whether nobody waits for an order any more."""
        return order <= self._halted

    def send(self, order: int, event: str, **facts: Any) -> None:
        """Write one event of an order."""
        try:
            self._out.write(json.dumps({"order": order, "event": event, **facts}) + "\n")
            self._out.flush()
        except OSError:
            os._exit(0)


def main(workspace: Workspace, idle: float) -> None:
    """Carry out orders until there is a reason to end."""
    with contextlib.suppress(OSError):
        os.nice(EASY)
    post, shelf = Post(), Shelf()
    asked, known = time.monotonic(), {j.id for j in busy(workspace)}
    while time.monotonic() - asked < idle:
        try:
            order = post.orders.get(timeout=min(LOOK, idle))
        except queue.Empty:
            if {j.id for j in busy(workspace)} - known:
                return  # a job that has begun since needs the memory
            continue
        if not post.halted(order["order"]):
            _carry_out(workspace, shelf, post, order)
        asked, known = time.monotonic(), {j.id for j in busy(workspace)}


def _carry_out(workspace: Workspace, shelf: Shelf, post: Post, order: Order) -> None:
    number = order["order"]
    try:
        speaker = of(workspace, order["model"])
        if not shelf.holds(speaker):
            post.send(number, "load")
        with shelf.take(speaker) as (model, tokenizer):
            said = answer(
                model,
                tokenizer,
                speaker.made.config["template"],
                order["talk"],
                Sampling(**order["sampling"]),
                hear=lambda piece: post.send(number, "text", text=piece),
                stopped=lambda: post.halted(number),
            )
        post.send(number, "end", **said._asdict())
    except InputError as e:
        post.send(number, "error", message=str(e))
    except Exception as e:
        traceback.print_exc()
        shelf.clear()
        what = "out of memory" if "memory" in str(e).lower() else type(e).__name__
        post.send(number, "error", message=f"the answer broke off: {what} ({str(e)[:200]})")


if __name__ == "__main__":
    main(Workspace(sys.argv[1]), float(sys.argv[2]))
