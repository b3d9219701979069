"""People's edits of a dataset: rows excluded, pinned or noted, clusters named.

One log a dataset, `<workspace>/edits/<dataset id>.jsonl`. Entries are only ever added, an undo too,
so the first N mean the same for ever, and a selection that names N can be made again. Each holds
its inverse: a list of operations that restores what was before.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any, TypedDict, cast

import numpy as np

from core.arrays import Ints
from core.dataset.artifact import DatasetSummary
from core.edits import row_sets
from core.edits.state import EditEntry, Edits, EditState, well_formed
from core.errors import InputError
from core.workspace.artifact import Artifact, utc_now
from core.workspace.files import fsync, parse_object
from core.workspace.locks import lock_within
from core.workspace.roles import editors, person
from core.workspace.store import Workspace

Rows = Ints | Sequence[int]


class Numbered(TypedDict):
    """What edits need of a clustering's summary."""

    k: int
    """Numbers that a cluster can have."""


def read(workspace: Workspace, dataset_id: str, upto: int | None = None) -> Edits:
    """Return what the first `upto` entries of a dataset's log amount to; all of them when None.

    Raises:
        InputError: there is no such dataset, the log is shorter, or it is damaged.
    """
    return replay(workspace.open(dataset_id, "dataset"), upto)


def replay(dataset: Artifact, upto: int | None = None) -> Edits:
    """Return the same of an opened dataset.

    Raises:
        InputError: the log is shorter, or it is damaged.
    """
    n_rows, path = _place(dataset)
    entries, _ = _entries(path, path.read_bytes() if _is_there(path) else b"")
    if upto is not None and upto > len(entries):
        raise InputError(f"{upto} edits are wanted, but {path} has {len(entries)}; give fewer")
    return _followed(path, entries[:upto], n_rows).edits()


def exclude(
    workspace: Workspace, dataset_id: str, rows: Rows, *, why: str = "", user: str = ""
) -> Edits:
    """Leave rows out of selections; those that were pinned no longer are.

    Raises:
        InputError: a row that the dataset does not have; so for all edits of rows.
    """
    return _edit(workspace, dataset_id, "exclude", {"rows": rows, "why": why}, user)


def include(workspace: Workspace, dataset_id: str, rows: Rows, *, user: str = "") -> Edits:
    """Let excluded rows in again."""
    return _edit(workspace, dataset_id, "include", {"rows": rows}, user)


def pin(workspace: Workspace, dataset_id: str, rows: Rows, *, user: str = "") -> Edits:
    """Put rows into every selection, first; those that were excluded no longer are."""
    return _edit(workspace, dataset_id, "pin", {"rows": rows}, user)


def unpin(workspace: Workspace, dataset_id: str, rows: Rows, *, user: str = "") -> Edits:
    """Let pinned rows be drawn, or not, as any other."""
    return _edit(workspace, dataset_id, "unpin", {"rows": rows}, user)


def note(workspace: Workspace, dataset_id: str, rows: Rows, text: str, *, user: str = "") -> Edits:
    """Write a note on rows, over the one they had; an empty text takes it away."""
    return _edit(workspace, dataset_id, "note", {"rows": rows, "text": text}, user)


def note_cluster(
    workspace: Workspace,
    dataset_id: str,
    clusters_id: str,
    cluster: int,
    text: str,
    *,
    user: str = "",
) -> Edits:
    """Write a note on a cluster, over the one it had; an empty text takes it away.

    Raises:
        InputError: these are no clusters of the dataset, or they have no such number.
    """
    _check_cluster(workspace, dataset_id, clusters_id, cluster)
    data = {"clusters": clusters_id, "cluster": int(cluster), "text": text}
    return _edit(workspace, dataset_id, "note", data, user)


def name(
    workspace: Workspace,
    dataset_id: str,
    clusters_id: str,
    cluster: int,
    text: str,
    *,
    user: str = "",
) -> Edits:
    """Name a cluster; an empty text gives it its own name again.

    Raises:
        InputError: these are no clusters of the dataset, or they have no such number.
    """
    _check_cluster(workspace, dataset_id, clusters_id, cluster)
    data = {"clusters": clusters_id, "cluster": int(cluster), "text": text}
    return _edit(workspace, dataset_id, "name", data, user)


def undo(workspace: Workspace, dataset_id: str, *, user: str = "") -> Edits:
    """Take back the last edit that is in effect, whoever made it.

    Raises:
        InputError: there is none.
    """
    return _edit(workspace, dataset_id, "undo", {}, user)


def redo(workspace: Workspace, dataset_id: str, *, user: str = "") -> Edits:
    """Make the edit again that was undone last; an edit made since leaves nothing to redo.

    Raises:
        InputError: there is none.
    """
    return _edit(workspace, dataset_id, "redo", {}, user)


def as_text(edits: Edits) -> str:
    """Write the state for a terminal."""
    lines = [f"edits: {edits.position:,}"]
    groups = [("excluded", edits.excluded), ("pinned", edits.pinned)]
    by_text: dict[str, list[int]] = {}
    for row, text in edits.notes.items():
        by_text.setdefault(text, []).append(row)
    groups += [(f"note {text!r}", np.array(rows)) for text, rows in by_text.items()]
    for what, rows in groups:
        lines.append(f"{what}: {row_sets.words(len(rows))} {row_sets.show(rows)}".rstrip())
    for what, kept in (("name", edits.names), ("note", edits.cluster_notes)):
        for id, texts in kept.items():
            lines += [f"{what} of cluster {c} of {id}: {text!r}" for c, text in texts.items()]
    lines += [f"to undo: {edits.undo or 'nothing'}", f"to redo: {edits.redo or 'nothing'}"]
    return "\n".join(lines)


@editors("edit rows")
def _edit(
    workspace: Workspace, dataset_id: str, op: str, asked: dict[str, Any], user: str
) -> Edits:
    """Add an entry, unless it would change nothing; it is on the disk when this returns."""
    n_rows, path = _place(workspace.open(dataset_id, "dataset"))
    if "rows" in asked:
        asked = {**asked, "rows": _within(asked["rows"], n_rows)}
    path.parent.mkdir(exist_ok=True)
    _is_there(path)
    with path.open("a+b") as log:
        lock_within(log.fileno(), path)
        log.seek(0)
        entries, end = _entries(path, log.read())
        state = _followed(path, entries, n_rows)
        if planned := state.plan(op, asked):
            entry: EditEntry = {
                "seq": len(entries) + 1,
                "time": utc_now().isoformat(timespec="milliseconds"),
                "user": user or person().name,
                "op": op,
                "data": planned[0],
                "inverse": planned[1],
            }
            log.truncate(end)  # what a killed writer left
            line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
            log.write(line.encode(errors="backslashreplace"))
            log.flush()
            os.fsync(log.fileno())
            fsync(path.parent)
            fsync(workspace.root)
            state.follow(entry)
        return state.edits()


def _place(dataset: Artifact) -> tuple[int, pathlib.Path]:
    """Return a dataset's rows and where its log is."""
    rows = dataset.summary_as(DatasetSummary)["rows"]
    return rows, dataset.root / "edits" / f"{dataset.id}.jsonl"


def _is_there(path: pathlib.Path) -> bool:
    """Say whether a log is there.

    Raises:
        InputError: something else is in its place, a pipe for example.
    """
    if path.is_file() or not os.path.lexists(path):
        return path.is_file()
    raise InputError(f"{path} is no file; put it back from a backup, or move that away")


def _entries(path: pathlib.Path, content: bytes) -> tuple[list[EditEntry], int]:
    """Read a log; return its entries and where the next one begins.

    The last line may be torn, by a killed writer or a power cut: it was never acknowledged.

    Raises:
        InputError: another line is not as it was written.
    """
    entries: list[EditEntry] = []
    end = 0
    *lines, _ = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        entry = parse_object(line)
        if entry is None and number == len(lines):
            break
        if entry is None or entry.get("seq") != number or not well_formed(entry):
            raise _damaged(number, path)
        entries.append(cast(EditEntry, entry))
        end += len(line) + 1
    return entries, end


def _followed(path: pathlib.Path, entries: list[EditEntry], n_rows: int) -> EditState:
    """Return what entries amount to.

    Raises:
        InputError: one is not as it was written: it names rows that there are not, for example.
    """
    state = EditState.after([], n_rows)
    for entry in entries:
        try:
            state.follow(entry)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as e:
            raise _damaged(entry["seq"], path) from e
    return state


def _damaged(number: int, path: pathlib.Path) -> InputError:
    return InputError(f"line {number} of {path} is damaged; put the file back from a backup")


def _within(rows: Rows, n_rows: int) -> Ints:
    """Return rows sorted, each once, after checking that the dataset has them."""
    once = np.unique(np.asarray(rows, np.int64))
    if len(once) and not 0 <= once[0] <= once[-1] < n_rows:
        wrong = once[0] if once[0] < 0 else once[-1]
        raise InputError(f"there is no row {wrong}; the dataset has rows 0 to {n_rows - 1}")
    return once


def _check_cluster(workspace: Workspace, dataset_id: str, clusters_id: str, cluster: int) -> None:
    made = workspace.open(clusters_id, "clusters")
    if made.ancestor("dataset").id != dataset_id:
        raise InputError(f"{clusters_id} is not a clustering of {dataset_id}; name its own dataset")
    k = made.summary_as(Numbered)["k"]
    if not 0 <= cluster < k:
        raise InputError(f"there is no cluster {cluster}; {clusters_id} has 0 to {k - 1}")
