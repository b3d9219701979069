"""All jobs of a workspace, for pages that list them several times a rerun.

One that has ended does not change: it is looked at again after RECHECK seconds, as artifacts are.
"""

from __future__ import annotations

import pathlib
import time

from core.jobs.files import names
from core.jobs.record import ENDED, Job, load
from core.workspace.store import RECHECK

_SEEN: dict[pathlib.Path, tuple[list[str], float, dict[str, Job]]] = {}
"""Folder of jobs -> the names that it had, when to look again, and those that had ended."""


def load_all(folder: pathlib.Path) -> list[Job]:
    """Read all jobs of a workspace, given its folder of jobs; newest first."""
    listed, now = names(folder), time.monotonic()
    known = _SEEN.get(folder)
    if known is None or known[0] != listed or now > known[1]:
        known = _SEEN[folder] = (listed, now + RECHECK, {})
    ended, out = known[2], []
    for name in reversed(listed):
        job = ended.get(name) or load(folder / name)
        if job.state == "lost" and not (folder / name).is_dir():
            continue  # its record was deleted meanwhile
        if job.state in ENDED and job.state != "lost":  # lost: without a word of its own
            ended[name] = job
        out.append(job)
    return out
