"""Time and memory that a stranger's program may take: a chat template, rendering a conversation."""

from __future__ import annotations

import contextlib
import ctypes
import pathlib
import resource
import threading
import time
from collections.abc import Iterator

from core.errors import InputError

SECONDS = 5.0
"""What rendering one conversation may take: a thousand times what it takes."""
MEMORY = 2**29
"""Bytes that it may take besides what the process has."""
INSTEAD = "use --template alpaca or plain"


class _Endless(InputError):
    def __init__(self) -> None:
        super().__init__(
            f"the model's chat template has not rendered a conversation after {SECONDS:.0f} s; "
            f"{INSTEAD}"
        )


_lock = threading.Lock()
_deadlines: dict[int, float] = {}
_watcher: list[threading.Thread] = []
_limit: list[tuple[int, int]] = []
"""The limit to go back to, while anybody renders."""


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Raise in this thread where its block takes longer or more: a loop cannot be left otherwise.

    The memory is bounded by the system, for the whole process while anybody renders, so that one
    call that asks for gigabytes fails instead of getting them. Where the system cannot (macOS),
    time alone is.

    Raises:
        InputError: it did.
    """
    thread = threading.get_ident()
    with _lock:
        _deadlines[thread] = time.monotonic() + SECONDS
        if not _limit:
            _limit.append(resource.getrlimit(resource.RLIMIT_AS))
            _tighten(*_limit[0])
        if not _watcher:
            _watcher.append(threading.Thread(target=_watch, daemon=True))
            _watcher[0].start()
    try:
        yield
    except MemoryError as e:
        raise InputError(
            f"the model's chat template takes more than {MEMORY / 2**30:.1f} GiB to render a "
            f"conversation; {INSTEAD}"
        ) from e
    finally:
        with _lock:
            _deadlines.pop(thread, None)
            if not _deadlines:
                _loosen()


@contextlib.contextmanager
def loosened() -> Iterator[None]:
    """Let a process be started that does not inherit the bound of those who render now."""
    with _lock:
        bound = bool(_limit)
        _loosen()
        try:
            yield
        finally:
            if bound and _deadlines:
                _limit.append(resource.getrlimit(resource.RLIMIT_AS))
                _tighten(*_limit[0])


def _tighten(limit: int, hard: int) -> None:
    with contextlib.suppress(OSError, ValueError):  # no /proc, or no such limit
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MEMORY
        if limit == resource.RLIM_INFINITY or most < limit:
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _loosen() -> None:
    while _limit:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, _limit[-1])
        _limit.pop()


def _watch() -> None:
    """Interrupt threads whose time is up; end when nobody has rendered for a while."""
    idle = 0
    while True:
        time.sleep(0.25)
        with _lock:
            idle = 0 if _deadlines else idle + 1
            if idle > 20:
                _watcher.clear()
                return
            for thread, end in list(_deadlines.items()):
                if time.monotonic() > end:
                    del _deadlines[thread]
                    if not _deadlines:
                        _loosen()
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        ctypes.c_ulong(thread), ctypes.py_object(_Endless)
                    )
