"""What a log of edits amounts to: its entries followed one after the other.

An edit that is made again after an undo has its first effect exactly: between them nothing else was
made, or there would be nothing to redo.
"""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Any, NamedTuple, TypedDict, cast

import numpy as np

from core.arrays import Bools, Ints
from core.edits import row_sets
from core.errors import InputError

Inverse = list[tuple[str, "EditData"]]
"""What takes an edit back: operations in order."""


class EditData(TypedDict, total=False):
    """What an edit is about; which of these stand depends on its op."""

    rows: Any
    """As `row_sets.pack` writes them."""
    why: str
    text: str
    clusters: str
    """Id of a clustering."""
    cluster: int
    of: int
    """Of an undo or redo: the `seq` of the edit."""


class EditEntry(TypedDict):
    """One line of the log."""

    seq: int
    """From 1."""
    time: str
    """UTC, ISO 8601."""
    user: str
    op: str
    data: EditData
    inverse: Inverse


BACK = {"exclude": "include", "include": "exclude", "pin": "unpin", "unpin": "pin"}
"""The edits of rows that a selection counts, each with the one that takes it back."""
INSTEAD = {"exclude": "pin", "pin": "exclude"}
"""A row is never both: each of these takes back the other."""


OPS = (*BACK, "note", "name", "undo", "redo")


def well_formed(entry: dict[str, Any]) -> bool:
    """Say whether a line of the log is one that could have been written."""
    data = entry.get("data")
    if entry.get("op") not in OPS or not isinstance(data, dict):
        return False
    texts = [entry.get("time"), entry.get("user"), data.get("text", ""), data.get("why", "")]
    named = "cluster" not in data or type(data["cluster"]) is int
    return all(isinstance(t, str) for t in texts) and named and "inverse" in entry


class Edits(NamedTuple):
    """What the edits of a dataset amount to."""

    excluded: Ints
    """Rows, sorted."""
    pinned: Ints
    """Rows, sorted; none of them excluded."""
    notes: dict[int, str]
    """Row -> text."""
    names: dict[str, dict[int, str]]
    """Clusters id -> cluster -> name."""
    cluster_notes: dict[str, dict[int, str]]
    """Clusters id -> cluster -> text."""
    position: int
    """Entries counted."""
    undo: str
    """What would be undone, such as "exclude 12 rows"; empty if nothing."""
    redo: str
    """What would be redone."""
    rows_at: int
    """Up to the last edit of rows in effect: reading so far gives the same `excluded` and `pinned`.
    Notes and names do not move it, an undo takes it back; 0 while no row is either."""


@dataclasses.dataclass
class EditState:
    """What the entries so far amount to, while they are followed one after the other."""

    excluded: Bools
    """(n_rows,), as `pinned`."""
    pinned: Bools
    notes: dict[int, str] = dataclasses.field(default_factory=dict)
    names: dict[str, dict[int, str]] = dataclasses.field(default_factory=dict)
    cluster_notes: dict[str, dict[int, str]] = dataclasses.field(default_factory=dict)
    done: list[EditEntry] = dataclasses.field(default_factory=list)
    """The edits in effect, oldest first."""
    undone: list[EditEntry] = dataclasses.field(default_factory=list)
    """What can be redone, the next one last."""
    position: int = 0

    @classmethod
    def after(cls, entries: list[EditEntry], n_rows: int) -> EditState:
        state = cls(np.zeros(n_rows, bool), np.zeros(n_rows, bool))
        for entry in entries:
            state.follow(entry)
        return state

    def follow(self, entry: EditEntry) -> None:
        """Count one entry of the log."""
        self.position = int(entry["seq"])
        if entry["op"] == "undo":
            self.undone.append(self.done.pop())
            for op, data in self.undone[-1]["inverse"]:
                self._apply(op, data)
        elif entry["op"] == "redo":
            self.done.append(self.undone.pop())
            self._apply(self.done[-1]["op"], self.done[-1]["data"])
        else:
            self.done.append(entry)
            self.undone.clear()
            self._apply(entry["op"], entry["data"])

    def _apply(self, op: str, data: EditData) -> None:
        if op in BACK:
            own, other = self._sides(op)
            rows = row_sets.unpack(data["rows"])
            own[rows] = op in INSTEAD
            if op in INSTEAD:
                other[rows] = False
        elif "rows" in data:
            for row in row_sets.unpack(data["rows"]).tolist():
                _put(self.notes, row, data["text"])
        else:
            texts = self._texts(op).setdefault(data["clusters"], {})
            _put(texts, data["cluster"], data["text"])
            if not texts:
                del self._texts(op)[data["clusters"]]

    def plan(self, op: str, asked: dict[str, Any]) -> tuple[EditData, Inverse] | None:
        """Return the data and the inverse that the log will hold; None where nothing changes.

        Args:
            asked: Its data, with rows as numbers; the log keeps those that change.

        Raises:
            InputError: there is nothing to undo or redo.
        """
        if op in ("undo", "redo"):
            stack, back = (self.done, "redo") if op == "undo" else (self.undone, "undo")
            if not stack:
                raise InputError(f"there is nothing to {op}")
            of: EditData = {"of": stack[-1]["seq"]}
            return of, [(back, of)]
        if "rows" not in asked:
            old = self._texts(op).get(asked["clusters"], {}).get(asked["cluster"], "")
            before = cast(EditData, {**asked, "text": old})
            return None if old == asked["text"] else (cast(EditData, asked), [(op, before)])
        changed = self._changed(op, asked)
        if not len(changed):
            return None
        data = cast(EditData, {**asked, "rows": row_sets.pack(changed)})
        if op in BACK:
            other = self._sides(op)[1]
            inverse: Inverse = [(BACK[op], {"rows": data["rows"]})]
            if op in INSTEAD and other[changed].any():
                inverse.append((INSTEAD[op], {"rows": row_sets.pack(changed[other[changed]])}))
            return data, inverse
        notes_before: dict[str, list[int]] = {}
        for row in changed.tolist():
            notes_before.setdefault(self.notes.get(row, ""), []).append(row)
        return data, [
            ("note", {"rows": row_sets.pack(np.array(rows, np.int64)), "text": text})
            for text, rows in notes_before.items()
        ]

    def _changed(self, op: str, asked: dict[str, Any]) -> Ints:
        """Return the rows that an edit changes, of those that it names."""
        rows: Ints = asked["rows"]
        if op in BACK:
            differs = self._sides(op)[0][rows] != (op in INSTEAD)
        else:
            other_text = [self.notes.get(row, "") != asked["text"] for row in rows.tolist()]
            differs = np.array(other_text, bool)
        changed: Ints = rows[differs]
        return changed

    def _sides(self, op: str) -> tuple[Bools, Bools]:
        """Return the rows that an edit speaks of, and those that it must not meet."""
        sides = (self.excluded, self.pinned)
        return sides if op in ("exclude", "include") else sides[::-1]

    def _texts(self, op: str) -> dict[str, dict[int, str]]:
        return self.names if op == "name" else self.cluster_notes

    def edits(self) -> Edits:
        any_row = self.excluded.any() or self.pinned.any()
        of_rows = [int(e["seq"]) for e in self.done if e["op"] in BACK]
        return Edits(
            excluded=np.flatnonzero(self.excluded),
            pinned=np.flatnonzero(self.pinned),
            notes=dict(sorted(self.notes.items())),
            names=self.names,
            cluster_notes=self.cluster_notes,
            position=self.position,
            undo=_sentence(self.done[-1]) if self.done else "",
            redo=_sentence(self.undone[-1]) if self.undone else "",
            rows_at=of_rows[-1] if any_row else 0,
        )


def _put(texts: dict[int, str], number: int, text: str) -> None:
    texts[number] = text
    if not text:
        del texts[number]


def _sentence(entry: EditEntry) -> str:
    """Say what an edit does: exclude 12 rows (duplicates)."""
    op, data = entry["op"], entry["data"]
    if "rows" not in data:
        what = (
            f"name cluster {data['cluster']}"
            if op == "name"
            else f"note on cluster {data['cluster']}"
        )
    else:
        what = f"{'note on' if op == 'note' else op} {row_sets.words(row_sets.count(data['rows']))}"
    more = textwrap.shorten(data.get("text") or data.get("why") or "", 60, placeholder=" …")
    return f"{what} ({more})" if more else what
