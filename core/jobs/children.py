"""What processes that train, score or answer are given in their environment."""

from __future__ import annotations

import os

from core.jobs.progress import JOB_VARIABLE

QUIET_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}
"""Threads that wait soon sleep: beside one busy process, scoring took 1.9 s so, and 9.8 s with
threads that spin on; alone on the machine 1.1 s and 1.0 s. Read when torch loads its threads."""


def environment() -> dict[str, str]:
    """Return ours, for a process that is no job's: nothing of a job in it, its threads quiet."""
    ours = {k: v for k, v in os.environ.items() if k != JOB_VARIABLE}
    return QUIET_THREADS | ours
