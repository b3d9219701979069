"""Several processes on one run, each with the same code: who am I, and what do we all know.

torchrun and Ray Train start such processes and set RANK and WORLD_SIZE; alone, all of this is free.
Only rank 0 writes.
"""

from __future__ import annotations

import datetime as dt
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy.typing as npt

from core.files import read_json, write_json
from core.progress import Stopped

T = TypeVar("T")
PATIENCE = dt.timedelta(days=1)
"""How long the others wait while rank 0 alone works, as when it tokenizes."""
OUTCOME = "S2L_OUTCOME"
"""Where rank 0 of a launched group writes how it ended."""


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


def launch(argv: Sequence[str], processes: int) -> str:
    """Run `python -m core <argv>` in this many processes of this machine; return its result.

    Raises:
        ValueError: bad input, or a process died.
        Stopped: asked to stop; what was saved can be resumed.
    """
    with tempfile.TemporaryDirectory() as folder:
        outcome = pathlib.Path(folder) / "outcome.json"
        threads = max(1, (os.cpu_count() or 1) // processes)
        done = subprocess.run(
            [
                sys.executable, "-m", "torch.distributed.run", "--standalone",
                "--nproc-per-node", f"{processes}", "-m", "core", *argv,
            ],
            env={"OMP_NUM_THREADS": f"{threads}", **os.environ, OUTCOME: str(outcome)},
            cwd=pathlib.Path(__file__).parents[1],
            stdout=subprocess.DEVNULL,
            check=False,
        )  # fmt: skip
        told = read_json(outcome)
    if told is None:
        raise ValueError(
            f"a process of {processes} ended with exit code {done.returncode}; the log above may "
            "say why, and --resume continues from the last saved checkpoint"
        )
    if told["state"] == "done":
        return str(told["result"])
    raise Stopped(told["message"]) if told["state"] == "stopped" else ValueError(told["message"])


def tell(state: str, *, result: str = "", message: str = "") -> bool:
    """Write how a launched process ended; False where nobody waits for that."""
    if OUTCOME not in os.environ:
        return False
    if main():
        told = {"state": state, "result": result, "message": message}
        write_json(pathlib.Path(os.environ[OUTCOME]), told)
    return True
