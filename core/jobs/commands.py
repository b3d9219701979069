"""What the command of a job says: its noun and its settings."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from typing import Any

from core.errors import InputError
from core.jobs.record import (
    Job,
)
from core.nouns import NOUNS
from core.settings import from_argv, specs


def noun_of(job: Job) -> str:
    """Return what a job does; empty if it is not a command of this program."""
    return (_own(job.argv) or [""])[0]


def settings_of(job: Job) -> Any:
    """Return the settings that a job was started with; None if this version has no such ones."""
    return _parsed(tuple(_own(job.argv)))


@functools.lru_cache(4096)
def _parsed(argv: tuple[str, ...]) -> Any:
    if not argv or argv[0] not in NOUNS:
        return None
    try:
        return from_argv(importlib.import_module(f"core.{argv[0]}").Settings, argv[1:])
    except InputError:
        return None


def can_resume(job: Job) -> bool:
    """Say whether a job's run can be continued where it stopped."""
    asked = settings_of(job)
    return asked is not None and any(s.name == "resume" for s in specs(type(asked)))


def _own(argv: Sequence[str]) -> list[str]:
    """Return noun and flags: what `_full_argv` was given."""
    ours = list(argv[1:3]) == ["-m", "core"] and list(argv[-2:-1]) == ["--workspace"]
    return list(argv[3:-2]) if ours else []
