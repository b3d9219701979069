"""What processes that train, score or answer are given, and how helpers end with their parent."""

from __future__ import annotations

import atexit
import os
import pathlib
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from core.jobs.progress import JOB_VARIABLE
from core.jobs.record import alive

QUIET_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}
"""Threads that wait soon sleep: beside one busy process, scoring took 1.9 s so, and 9.8 s with
threads that spin on; alone on the machine 1.1 s and 1.0 s. Read when torch loads its threads."""


PARENT_VARIABLE = "S2L_PARENT"
"""Process that started a helper."""
LOOK = 0.2
"""Seconds between two looks at whether the parent lives."""


def environment() -> dict[str, str]:
    """Return ours, for a process that is no job's: nothing of a job in it, its threads quiet."""
    ours = {k: v for k, v in os.environ.items() if k != JOB_VARIABLE}
    return QUIET_THREADS | ours | {PARENT_VARIABLE: str(os.getpid())}


def leave(code: int) -> NoReturn:
    """End this process without freeing its memory object by object: a second or two of it.

    What libraries registered for the end is done, and output is written.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def end_with_parent() -> None:
    """Let this helper end at once when the process that started it is gone, however that ended.

    A signal of the system for it (PR_SET_PDEATHSIG) comes when the *thread* that started a helper
    ends, and a page's thread ends with every rerun: so a thread looks.
    """
    if parent := int(os.environ.get(PARENT_VARIABLE) or 0):
        _end_unless(lambda: os.getppid() == parent)


def end_with_launcher(folder: pathlib.Path) -> None:
    """Let this process of a group end when what started it, or the command above that, is gone.

    Args:
        folder: Where the group tells how it ended; the command locks a file in it while it lives.
    """
    parent = os.getppid()
    if (folder / "lock").exists():
        _end_unless(lambda: os.getppid() == parent and alive(folder))


def _end_unless(wanted: Callable[[], bool]) -> None:
    def look() -> None:
        while wanted():
            time.sleep(LOOK)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()
