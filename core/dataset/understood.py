"""What is known of the usable rows of a dataset, a few dozen bytes a row.

What all rows decide together (ids of copies, previews of skipped rows, which keys rows have) is
asked when all are in.
"""

from __future__ import annotations

import array
import collections
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import Ints, by_id
from core.dataset.detection import Reading
from core.dataset.examples import (
    Examples,
    carried,
    digest,
    own_id,
    shortened,
)
from core.dataset.readers import Rows
from core.dataset.tables import as_table

PREVIEW = 200
"""Characters shown of a row that is skipped."""


class Understood:
    """The usable rows of a dataset; lists and arrays have one entry a row."""

    def __init__(self, names: list[str], reading: Reading, trainable: bool) -> None:
        self.names, self.reading, self.trainable = names, reading, trainable
        self.place = "line"
        self.n_parsed = 0
        self.read_as: dict[str, Any] = {}
        self.unread: list[dict[str, Any]] = []
        """What the reader skipped: place, reason, preview."""
        self.unusable: list[tuple[str, int, str, str, int]] = []
        """File, place, reason and preview of the other rows skipped; columns known then."""
        self.at = array.array("q")
        self.sources: list[str] = []
        self.answers: list[str | None] = []
        self.marks: list[Any] = []
        self.own: list[str] | None = [] if "id" in reading.parts else None
        self.digests = bytearray()
        self.lengths: dict[str, list[Ints]] = {"prompt": [], "response": []}
        self.has_extras = False
        self.carried = collections.Counter[str]()
        """Keys of turns beside role and content."""
        self.shapes: dict[tuple[str, ...], int] = {}
        self.keys: list[int] = []
        """Which of the shapes each row has."""
        self.headers: set[tuple[str, ...]] = set()
        """The columns of batches; empty for one whose rows differ in theirs."""
        self.as_text: dict[str, str] = {}
        self._labels: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.at)

    def add(self, found: Examples, rows: Rows, full: Rows) -> pa.Table:
        """Take in the usable rows of a batch; return what of them is kept in a file."""
        for turns in found.messages:
            self.digests += digest(turns)
        if "split" in self.reading.parts:
            cells = full.values(str(self.reading.parts["split"]))
            self.marks += [cells[at] for at in found.at]
        if self.own is not None:
            cells = full.values(str(self.reading.parts["id"]))
            own = [own_id(cells[at]) for at in found.at]
            self.own = None if None in own else self.own + [id for id in own if id is not None]
        plain = rows.keys is None
        self.headers.add((*rows.columns,) if plain else ())
        shapes = [(*rows.columns,)] * len(rows.places) if rows.keys is None else rows.keys
        self.keys += [self.shapes.setdefault(shapes[at], len(self.shapes)) for at in found.at]
        self.sources += [self._labels.setdefault(label, label) for label in found.sources]
        self.answers += found.answers
        found.at = [at + self.n_parsed for at in found.at]
        self.at.extend(found.at)
        table = as_table(found)
        if table["extras"].null_count < len(table):
            self.has_extras = True
            self.carried += carried(found.messages)
        for part, lengths in self.lengths.items():
            lengths.append(pc.utf8_length(table[part]).to_numpy())
        return table

    def n_distinct(self) -> int:
        """Count the distinct conversations."""
        halves = np.frombuffer(self.digests, np.uint64).reshape(-1, 4)[:, :2]
        return len(np.unique(halves, axis=0))

    def quantiles(self, part: str) -> dict[str, int]:
        """Return how long the prompts or responses are, in characters."""
        lengths = np.concatenate(self.lengths[part])
        values = np.quantile(lengths, [0.5, 0.9, 0.99, 1.0]).round().astype(int).tolist()
        return dict(zip(("p50", "p90", "p99", "max"), values, strict=True))

    def digest(self, row: int) -> str:
        return self.digests[32 * row : 32 * row + 32].hex()

    def has_own_ids(self) -> bool:
        """Return whether each row has a text or whole number of its own as its id."""
        return self.own is not None and len(set(self.own)) == len(self.own)

    def ids(self) -> list[str]:
        """Return the data's own ids, or such as are made of the content; copies are numbered."""
        whole = self.digests.hex()
        ids = (
            list(self.own or ())
            if self.has_own_ids()
            else [whole[at : at + 16] for at in range(0, len(whole), 64)]
        )
        order = by_id(np.array(ids, object))
        sorted_ids = [ids[i] for i in order.tolist()]
        # copies are numbered by content first, so that their numbers do not depend on the row order
        at = 0
        while at < len(order):
            stop = at + 1
            while stop < len(order) and sorted_ids[stop] == sorted_ids[at]:
                stop += 1
            if stop > at + 1:
                copies = sorted(
                    order[at:stop].tolist(), key=lambda i: (self.sources[i], self.answers[i] or "")
                )
                for k, row in enumerate(copies[1:], 2):
                    ids[row] += f"-{k}"
            at = stop
        return ids

    def set_aside(self) -> list[dict[str, Any]]:
        """Return all rows that were skipped: those that could not be read, then the others."""
        seen = {record["reason"] for record in self.unread}
        out = list(self.unread)
        for file, place, reason, preview, known in self.unusable:
            if len(preview) <= PREVIEW:
                late = (f", {json.dumps(n, ensure_ascii=False)}: null" for n in self.names[known:])
                preview = preview[:-1] + "".join(late) + "}"
            Rows({}, [], self.place, out, file=file).skip(place, shortened(reason, seen), preview)
        return out

    def key_table(self) -> pa.Table | None:
        """Return which columns each row had in the input, in its order, as JSON lists.

        None where all had all of them in one order.
        """
        if self.headers == {(*self.names,)}:
            return None
        shapes = [json.dumps(shape) for shape in self.shapes]
        used = list(dict.fromkeys(self.keys))
        place = np.zeros(len(shapes), np.int32)
        place[used] = np.arange(len(used))
        dictionary = pa.array([shapes[i] for i in used], pa.large_string())
        codes = pa.array(place[np.array(self.keys, np.int64)], pa.int32())
        return pa.table({"keys": pa.DictionaryArray.from_arrays(codes, dictionary)})
