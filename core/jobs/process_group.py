"""Several processes on one run, each with the same code: who am I, and what do we all know.

torchrun and Ray Train start such processes and set RANK and WORLD_SIZE; alone, all of this is free.
Only rank 0 writes.
"""

from __future__ import annotations

import atexit
import datetime as dt
import os
import pathlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy.typing as npt

from core.errors import InputError
from core.jobs.failures import fix_of, name_of
from core.jobs.files import Outcome
from core.jobs.progress import Stopped
from core.workspace.files import write_json

T = TypeVar("T")
S = TypeVar("S")
PATIENCE = dt.timedelta(days=1)
"""How long the others wait while rank 0 alone works, as when it tokenizes."""
OUTCOMES = "S2L_OUTCOMES"
"""The folder in which launched processes write how they ended."""


def launched() -> bool:
    """Say whether this process is one of a group that was started together."""
    return "RANK" in os.environ


def world() -> int:
    """Return the number of processes on this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return this process's number, 0 for the one that writes."""
    return int(os.environ.get("RANK", "0"))


def main() -> bool:
    """Say whether this process writes."""
    return rank() == 0


def barrier() -> None:
    """Wait for the others."""
    if world() > 1:
        _group().barrier()


class ElsewhereError(RuntimeError):
    """Another process of this run failed; the message is its error."""


def once(work: Callable[[], T]) -> T:
    """Do something on rank 0 and give every process its result, or what it raised.

    No process waits for a result that will not come: an error of any kind is told to all. The
    others raise `InputError` and `Stopped` as they are, and anything else as `ElsewhereError`.
    """
    if world() == 1:
        return work()
    outcome: list[Any] = [None]
    error: Exception | None = None
    about: dict[str, Any] = {}
    if main():
        try:
            outcome = [("value", work(), about)]
        except Exception as e:
            error = e
            kind = type(e).__name__ if isinstance(e, InputError | Stopped) else ""
            about = {"failure": name_of(e), "fix": fix_of(e)} if kind == "InputError" else {}
            outcome = [(kind, str(e) if kind else f"{type(e).__name__}: {e}", about)]
    _group().broadcast_object_list(outcome, src=0)
    if error is not None:
        raise error
    kind, value, about = outcome[0]
    if kind == "value":
        return value  # type: ignore[no-any-return]
    if kind == "InputError":
        raise InputError(value, **about)
    raise Stopped(value) if kind == "Stopped" else ElsewhereError(value)


def kept(work: Callable[[], T], told: Callable[[T], S]) -> tuple[T | None, S]:
    """Do something on rank 0, which alone keeps what comes of it, and tell every process of it."""
    here: list[T] = []

    def tell() -> S:
        here.append(work())
        return told(here[0])

    said = once(tell)
    return (here[0] if here else None), said


def first(work: Callable[[], T]) -> T:
    """Do something everywhere, on rank 0 before the others: they find what it cached."""
    result: list[T] = []
    once(lambda: result.append(work()))
    return result[0] if main() else work()


def gather(part: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Give rank 0 the parts of all processes, in order of rank; the others get none."""
    if world() == 1:
        return [part]
    parts: list[Any] | None = [None] * world() if main() else None
    _group().gather_object(part, parts, dst=0)
    return parts or []


def most(number: int) -> int:
    """Return the largest of all processes' numbers."""
    if world() == 1:
        return number
    numbers = [0] * world()
    _group().all_gather_object(numbers, number)
    return max(numbers)


def _group() -> Any:
    import torch
    import torch.distributed as group

    if not group.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        group.init_process_group(backend, timeout=PATIENCE)
    atexit.unregister(_leave)
    atexit.register(_leave)
    return group


def _leave() -> None:
    """Join gloo's threads: a process that exits while they run is aborted now and then."""
    import torch.distributed as group

    if group.is_initialized():
        group.destroy_process_group()


def tell(ended: Outcome) -> bool:
    """Write how a launched process ended; False where none waits."""
    if OUTCOMES not in os.environ:
        return False
    ended = {**ended, "time": time.time()}
    write_json(pathlib.Path(os.environ[OUTCOMES]) / f"{rank()}.json", ended)
    return True
