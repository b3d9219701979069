"""The ends of what a job wrote: its newest records and the last lines of its log."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

from core.jobs.files import (
    PROGRESS,
    as_record,
)
from core.workspace.files import parse_object


def _tail(path: pathlib.Path, size: int) -> list[bytes]:
    """Return the last lines of a file, at most `size` bytes of it; the last one may be torn."""
    if not path.is_file():
        return []
    with contextlib.suppress(OSError), path.open("rb") as f:
        f.seek(max(0, f.seek(0, os.SEEK_END) - size))
        return f.read().split(b"\n")
    return []


def last_record(path: pathlib.Path) -> dict[str, Any]:
    """Return the newest whole record of a file; empty where there is none."""
    return next(_records(reversed(_tail(path, 16_384)[:-1])), {})


def _records(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    return filter(None, (as_record(parse_object(line) or {}) for line in lines))


def newest_records(folder: pathlib.Path, size: int = 65_536) -> list[dict[str, Any]]:
    """Return the progress records in the last `size` bytes: those of a long job are many."""
    return list(_records(_tail(folder / PROGRESS, size)[:-1]))


def tail_log(folder: pathlib.Path, lines: int) -> str:
    """Return the last lines of the log; of a redrawn line only its last state."""
    ends = (line.decode(errors="replace").rstrip("\r") for line in _tail(folder / "log", 262_144))
    text = "\n".join(ends).rstrip("\n")
    return "\n".join(line.rpartition("\r")[2] for line in text.split("\n")[-lines:])
