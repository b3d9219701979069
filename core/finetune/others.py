"""How much other programs slow this process down: what they take of the processors meanwhile."""

from __future__ import annotations

import time

import psutil

MOST = 0.9
"""A share taken by others is not said to be above this."""


class Others:
    """Watches from when it is made."""

    def __init__(self) -> None:
        """Begin to watch."""
        self.began, self.busy, self.own = time.monotonic(), _busy(), time.process_time()

    def slowed(self) -> float:
        """Return the share of this process's speed that others took, 0 to 1.

        0 where they left as many processors as this process's threads want.
        """
        import torch

        there = psutil.cpu_count() or 1
        seconds = max(1e-9, time.monotonic() - self.began) * there
        own = time.process_time() - self.own
        return share((_busy() - self.busy - own) / seconds, torch.get_num_threads() / there)


def share(others: float, wanted: float) -> float:
    """Return what others take of a process's speed.

    Args:
        others: Their share of all processors.
        wanted: The share that the process would use.
    """
    left = 1 - min(max(others, 0.0), 1.0)
    return min(MOST, max(0.0, 1 - left / min(1.0, wanted)))


def _busy() -> float:
    """Return the seconds in which any processor did anything, since the machine started."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # in user and nice
    return float(sum(times) - idle - guests)
