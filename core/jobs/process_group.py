"""Several processes on one run, each with the same code: who am I, and what do we all know.

torchrun and Ray Train start such processes and set RANK and WORLD_SIZE; alone, all of this is free.
Only rank 0 writes.
"""

from __future__ import annotations

import datetime as dt
import os
import pathlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy.typing as npt

from core.jobs.progress import Stopped
from core.workspace.files import write_json

T = TypeVar("T")
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


def once(work: Callable[[], T]) -> T:
    """Do something on rank 0 and give every process its result, or its ValueError or stop."""
    if world() == 1:
        return work()
    told: list[Any] = [None]
    if main():
        try:
            told = [("value", work())]
        except (ValueError, Stopped) as e:
            told = [(type(e).__name__, str(e))]
    _group().broadcast_object_list(told, src=0)
    kind, value = told[0]
    if kind == "value":
        return value  # type: ignore[no-any-return]
    raise Stopped(value) if kind == "Stopped" else ValueError(value)


def first(work: Callable[[], T]) -> T:
    """Do something everywhere, on rank 0 before the others: they find what it cached."""
    if main():
        result = work()
        barrier()
    else:
        barrier()
        result = work()
    return result


def gather(part: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Give rank 0 the parts of all processes, in order of rank; the others get none."""
    if world() == 1:
        return [part]
    parts: list[Any] | None = [None] * world() if main() else None
    _group().gather_object(part, parts, dst=0)
    return parts or []


def _group() -> Any:
    import torch
    import torch.distributed as group

    if not group.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        group.init_process_group(backend, timeout=PATIENCE)
    return group


def tell(state: str, *, result: str = "", message: str = "") -> bool:
    """Write how a launched process ended; False where nobody waits for that."""
    if OUTCOMES not in os.environ:
        return False
    told = {"state": state, "result": result, "message": message, "time": time.time()}
    write_json(pathlib.Path(os.environ[OUTCOMES]) / f"{rank()}.json", told)
    return True
