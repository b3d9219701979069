"""What a job that did not finish has left behind, and deleting it."""

from __future__ import annotations

from typing import Any

from core.errors import InputError
from core.jobs.commands import noun_of, settings_of
from core.jobs.queue import forget, jobs, status
from core.jobs.record import ACTIVE, Job
from core.settings import specs
from core.spec import Spec
from core.workspace.artifact import KINDS, Entry
from core.workspace.roles import editors
from core.workspace.store import Workspace

FILLED = (("steps", 0),)
"""Settings with a value, beside "auto", that a run replaces by what it stands for."""


def draft_of(workspace: Workspace, job: Job) -> Entry | None:
    """Return the newest unfinished run with a job's settings, but for what a run fills in."""
    asked, kind = settings_of(job), noun_of(job)
    if asked is None or kind not in KINDS:
        return None
    identifying = [s for s in specs(type(asked)) if s.identity]
    preset = getattr(asked, "preset", "none") != "none"
    for entry in workspace.recent(kind):
        if entry.state == "unfinished" and all(
            _agrees(s, getattr(asked, s.name), entry.config, preset) for s in identifying
        ):
            return entry
    return None


def _agrees(spec: Spec, value: Any, config: dict[str, Any], preset: bool) -> bool:
    filled = value == "auto" or (spec.name, value) in FILLED
    filled |= preset and value == spec.default
    return filled or config.get(spec.name, value) == value


@editors("delete")
def discard(workspace: Workspace, id: str) -> None:
    """Delete what an ended job has left behind, and its record; those of its earlier tries, too.

    Raises:
        InputError: it is at work, or another job goes on with what it left.
        OSError: the workspace cannot be written.
    """
    job = status(workspace, id)
    if job.state in ACTIVE:
        raise InputError(f"{job.title} is {job.state}; stop it first")
    draft = draft_of(workspace, job) if job.state != "done" else None
    tries = [] if draft is None else [t for t in jobs(workspace) if _tried(workspace, t, draft.id)]
    if draft is not None:
        workspace.delete(draft.id)
    for one in {id, *(t.id for t in tries)}:
        forget(workspace, one)


def _tried(workspace: Workspace, job: Job, draft: str) -> bool:
    """Return whether a job ended early, on this run."""
    if job.state in (*ACTIVE, "done"):
        return False
    found = draft_of(workspace, job)
    return found is not None and found.id == draft
