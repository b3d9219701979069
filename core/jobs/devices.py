"""Devices that jobs wait for: each GPU of this machine by its index, and the processor.

No library of the training is loaded: the driver's own program says what there is.
"""

from __future__ import annotations

import collections
import functools
import os
import subprocess
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from core.errors import InputError
from core.jobs.record import ACTIVE, Job

CPU = "cpu"
AUTO = "auto"
VISIBLE = "CUDA_VISIBLE_DEVICES"
TRAINING = ("trajectories", "transfer", "finetune", "study", "gains", "demo")
"""Nouns that a GPU makes faster."""
QUERY = "index,uuid,name,memory.used,memory.total,utilization.gpu"
PATIENCE = 5.0
"""Seconds that the driver's program may take."""
FRESH = 5.0
"""Seconds after which it is asked again."""


class Gpu(NamedTuple):
    """A GPU as it is now."""

    device: str
    """Its name here, cuda:0 for the first that this server may use."""
    visible: str
    """What CUDA_VISIBLE_DEVICES calls it: by its own id, since CUDA may count in another order."""
    title: str
    used: float | None
    """Bytes of its memory in use; None where the driver does not say, as below."""
    total: float | None
    busy: float | None
    """Share of its time at work."""


def gpus() -> list[Gpu]:
    """List the GPUs that this server may use, as they are now."""
    return _gpus(int(time.monotonic() / FRESH), os.environ.get(VISIBLE))


def devices() -> list[str]:
    """List the devices that a job can be given, the fastest first."""
    return [*(gpu.device for gpu in gpus()), CPU]


def choose(jobs: Iterable[Job], noun: str, processes: int = 1) -> str:
    """Return the device for new work: the GPUs with the fewest jobs, else the processor.

    Args:
        processes: How many processes share it, a GPU each.
    """
    there = [gpu.device for gpu in gpus()]
    if noun not in TRAINING or not there or processes > len(there):
        return CPU
    waiting = collections.Counter(d for j in jobs if j.state in ACTIVE for d in parts(j.device))
    best = sorted(there, key=lambda device: (waiting[device], there.index(device)))[:processes]
    return ",".join(sorted(best, key=there.index))


def parts(device: str) -> list[str]:
    """Return the devices that a job needs at once."""
    return device.split(",")


def shared(left: str, right: str) -> bool:
    """Say whether two jobs need a device in common, so that one waits for the other."""
    return not set(parts(left)).isdisjoint(parts(right))


def environment(device: str) -> dict[str, str]:
    """Return the variables that hold a worker to its device.

    Raises:
        InputError: there is no such device here.
    """
    if device == CPU:
        return {VISIBLE: ""} if gpus() else {}
    there = {gpu.device: gpu.visible for gpu in gpus()}
    if missing := [d for d in parts(device) if d.startswith("cuda") and d not in there]:
        raise InputError(f"there is no device {missing[0]} here; there are {', '.join(devices())}")
    visible = [there[d] for d in parts(device) if d in there]
    return {VISIBLE: ",".join(visible)} if visible else {}


@functools.lru_cache(1)
def _gpus(now: int, visible: str | None) -> list[Gpu]:
    """Ask the driver's program, at most once in FRESH seconds."""
    rows = [line.split(", ") for line in _asked().splitlines() if line.count(", ") == 5]
    if visible is not None:
        rows = [row for name in visible.split(",") for row in rows if _named(name.strip(), row)]
    return [Gpu(f"cuda:{i}", row[1], row[2], *_facts(row)) for i, row in enumerate(rows)]


def _named(name: str, row: list[str]) -> bool:
    return name == row[0] or (len(name) > 4 and row[1].startswith(name))


def _facts(row: list[str]) -> tuple[float | None, float | None, float | None]:
    used, total, busy = map(_number, row[3:])
    mib = 2**20
    return (
        None if used is None else used * mib,
        None if total is None else total * mib,
        None if busy is None else busy / 100,
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # [N/A]
        return None


def _asked() -> str:
    command: Any = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
