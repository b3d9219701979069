"""Memory for training: what may be taken, and what was taken at most, of a device and of the host.

Where a model trains on the CPU, both are the host's.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import resource
import sys
from typing import NamedTuple

import psutil

from core.errors import InputError
from core.model import loading

VARIABLE = "S2L_MEMORY"
"""Environment variable: what a training may take at most, as 8G, on a machine that is shared."""
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
SPARE = 0.92
"""Share of what is free that is given out: allocators round up, and other programs grow."""
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Limit and use of the container this process is in, by version of the kernel's interface."""


class Memory(NamedTuple):
    """Bytes of the device and of the host; 0 of a device where training is on the CPU."""

    device: float
    host: float


def parse(text: str) -> float:
    """Return the bytes of a text as 8G or 512M.

    Raises:
        InputError: it is none.
    """
    size = r"([0-9]{1,15}(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?"
    match = re.fullmatch(size, text.strip(), re.IGNORECASE)
    if match is None:
        raise InputError(f"{VARIABLE} is a size as 8G or 512M, not {text!r}")
    return float(match[1]) * UNITS[match[2].upper()]


def room() -> Memory:
    """Return the most bytes that this process may hold, what it holds now included."""
    import torch

    limit = os.environ.get(VARIABLE, "")
    most = parse(limit) if limit else float("inf")
    host = (_host_free() + psutil.Process().memory_info().rss) * SPARE
    if loading.device() != "cuda":
        return Memory(0.0, min(most, host))
    free, _ = torch.cuda.mem_get_info()
    return Memory(min(most, (free + torch.cuda.memory_reserved()) * SPARE), host)


def held() -> float:
    """Return the bytes that this process holds now, where it trains."""
    import torch

    on_gpu = loading.device() == "cuda"
    return float(torch.cuda.memory_reserved() if on_gpu else psutil.Process().memory_info().rss)


def in_use() -> float:
    """Return as `held`, without what a GPU's allocator keeps for later."""
    import torch

    return float(torch.cuda.memory_allocated()) if loading.device() == "cuda" else held()


def _host_free() -> float:
    """Return the bytes that can still be had without swapping, within the container's limit."""
    free = float(psutil.virtual_memory().available)
    for limit, used in CGROUPS:
        with contextlib.suppress(OSError, ValueError):  # no such kernel, or "max"
            left = int(pathlib.Path(limit).read_text()) - int(pathlib.Path(used).read_text())
            free = min(free, max(0.0, float(left)))
    return free


def forget_peak() -> None:
    """Begin to look for the most that is held anew."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):  # Linux alone can; elsewhere it is that of the whole life
        pathlib.Path("/proc/self/clear_refs").write_text("5")


def peak() -> Memory:
    """Return the most bytes that this process has held since `forget_peak`."""
    import torch

    device = float(torch.cuda.max_memory_reserved()) if torch.cuda.is_available() else 0.0
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return Memory(device, float(line.split()[1]) * 2**10)
    scale = 1 if sys.platform == "darwin" else 2**10
    return Memory(device, float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * scale)


def larger(a: Memory, b: Memory) -> Memory:
    """Return the larger of either kind."""
    return Memory(max(a.device, b.device), max(a.host, b.host))


def gib(size: float) -> str:
    """Write bytes as people say them."""
    return f"{size / 2**30:,.1f} GiB" if size >= 0.95 * 2**30 else f"{size / 2**20:,.0f} MiB"
