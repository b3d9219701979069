"""One edit of a dataset's rows from the command line."""

from __future__ import annotations

import dataclasses
import os

from core.arrays import Ints
from core.dataset.artifact import DatasetSummary
from core.edits import log, row_sets
from core.errors import InputError
from core.settings import Group, setting
from core.workspace.store import Workspace

OF_ROWS = {"include": log.include, "pin": log.pin, "unpin": log.unpin}
OF_LOG = {"undo": log.undo, "redo": log.redo}
ROWS = "such as 3,17,100-120"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Group):
    """Which edit; without one the state is shown."""

    dataset: str = setting(help="dataset id", positional=True)
    exclude: str | None = setting(None, help=f"leave rows out of selections; {ROWS}")
    include: str | None = setting(None, help=f"let excluded rows in again; {ROWS}")
    pin: str | None = setting(None, help=f"put rows into every selection, first; {ROWS}")
    unpin: str | None = setting(None, help=f"let pinned rows be drawn as any other; {ROWS}")
    note: str | None = setting(None, help="a note on --rows; empty takes it away")
    undo: bool = setting(False, help="undo the last edit")
    redo: bool = setting(False, help="redo the last edit")
    rows: str | None = setting(None, help="the rows of --note")
    why: str = setting("", help="the reason of --exclude")
    user: str | None = setting(None, help="who edits (default: $USER)")

    def validate(self) -> None:
        edits = [n for n in ("exclude", "note", *OF_ROWS, *OF_LOG) if self.asks(n)]
        if len(edits) > 1:
            raise InputError(f"--{' and --'.join(edits)} are two edits; give one")
        if (self.note is None) != (self.rows is None):
            raise InputError("a note is --note TEXT and --rows ROWS together")
        if self.why and self.exclude is None:
            raise InputError("--why is the reason of --exclude; give both")

    def asks(self, name: str) -> bool:
        """Say whether an edit is wanted; an empty note is."""
        return getattr(self, name) not in (None, False)


def run(workspace: Workspace, settings: Settings) -> str:
    """Make the edit, if there is one; return the state as text."""
    s = settings
    user = os.environ.get("USER", "") if s.user is None else s.user

    def rows(text: str) -> Ints:
        dataset = workspace.open(s.dataset, "dataset")
        return row_sets.parse(text, dataset.summary_as(DatasetSummary)["rows"])

    if s.note is not None and s.rows is not None:
        log.note(workspace, s.dataset, rows(s.rows), s.note, user=user)
    if s.exclude is not None:
        log.exclude(workspace, s.dataset, rows(s.exclude), why=s.why, user=user)
    for name in filter(s.asks, OF_ROWS):
        OF_ROWS[name](workspace, s.dataset, rows(getattr(s, name)), user=user)
    for name in filter(s.asks, OF_LOG):
        OF_LOG[name](workspace, s.dataset, user=user)
    return log.as_text(log.read(workspace, s.dataset))
