"""One pass over a dataset, a batch at a time: what rows say by themselves, kept in temporary files.

The pass begins again in the rare case that a late row shows the first ones to be something else:
by a column that they have not, or by the first reply.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import itertools
import pathlib
from collections.abc import Callable, Container, Generator, Iterator
from typing import Any

import pyarrow as pa

from core.dataset.compared import Compared
from core.dataset.detection import SAMPLE, Reading
from core.dataset.examples import AsText, Parsed, examples_of, parse, shown_row, usable
from core.dataset.readers import Rows
from core.dataset.readers.rows import joined, merged
from core.dataset.tables import Original, Spool
from core.dataset.understood import PREVIEW, Understood
from core.errors import InputError
from core.jobs.progress import Progress, Stopped, stop_requested

Reads = Callable[[], Generator[Rows]]
AHEAD = 2
"""Batches that may wait for their words to be told."""


class _Again(Exception):
    """The reading must begin again, knowing what is known now."""


class OnePass(contextlib.ExitStack):
    """Reads a dataset into temporary files below a folder."""

    def __init__(self, folder: pathlib.Path, reads: Reads, read_columns: Callable[[Rows], Reading]):
        super().__init__()
        self.folder, self.reads, self.read_columns = folder, reads, read_columns
        self.names: list[str] = []
        """Columns of any row seen so far."""
        self.known = False
        """Whether these are all."""
        self.trainable = False

    def understood(
        self, expected: Callable[[Rows], int], *, chosen: Container[int] | None, compare: bool
    ) -> Understood:
        """Understand all rows.

        Args:
            expected: About how many rows there are, by the first ones.
            chosen: Positions of the rows to keep, None for all that are usable.
            compare: Whether to tell the words of rows.

        Raises:
            InputError: no reading is clear.
            Stopped: the run was asked to stop.
        """
        while True:
            try:
                return self._attempt(expected, chosen, compare)
            except _Again:
                continue

    def _attempt(
        self, expected: Callable[[Rows], int], chosen: Container[int] | None, compare: bool
    ) -> Understood:
        self.close()
        self.examples, self.original = Spool(self.folder), Original(Spool(self.folder))
        self.words = Compared(folder=self.folder)
        for held in (self.examples, self.original.spool, self.words.flat):
            self.callback(held.close)
        worker = self.enter_context(concurrent.futures.ThreadPoolExecutor(1))
        batches = self.enter_context(contextlib.closing(self.reads()))
        begun = _first(batches)
        first = joined(begun)
        self._know(first)
        understood = Understood(self.names, self._reading(first, batches), self.trainable)
        understood.place = begun[0].place
        read_as: dict[str, dict[str, Any]] = {}
        said = AsText(understood.reading.parts)
        progress = Progress("import", expected(first), brief=len(first.places) <= SAMPLE)
        waiting: collections.deque[concurrent.futures.Future[None]] = collections.deque()
        for rows in itertools.chain(begun, batches):
            read_as[rows.file] = rows.read_as
            if self._know(rows):
                now = self.read_columns(self._full(first))
                if (now.format, now.parts) != (understood.reading.format, understood.reading.parts):
                    raise _Again
                understood.reading = now
            full = self._full(rows)
            said.add(full, first=understood.n_parsed < len(first.places))
            kept = self._usable(understood, full, chosen)
            examples = examples_of(full, kept, understood.reading.parts)
            at = examples.at
            table = understood.add(examples, rows, full)
            understood.unread += rows.skipped
            understood.n_parsed += len(rows.places)
            while len(waiting) >= AHEAD:
                waiting.popleft().result()
            waiting.append(worker.submit(self._keep, table, rows, at, compare))
            progress.total = max(progress.total, understood.n_parsed)
            progress.update(understood.n_parsed)
            if stop_requested():
                raise Stopped("stopped; nothing was imported")
        for done in waiting:
            done.result()
        progress.total = max(understood.n_parsed, 1)
        progress.update(understood.n_parsed)
        understood.as_text, understood.read_as = said.said(), merged(read_as)
        self.words.finish()
        return understood

    def _know(self, rows: Rows) -> bool:
        """Note the columns of a batch; return whether some are new."""
        new = [name for name in rows.columns if name not in self.names]
        self.names += new
        return bool(new)

    def _full(self, rows: Rows) -> Rows:
        """Return a batch with all columns that are known, in their order."""
        none: list[Any] = [None] * len(rows.places)
        columns = {name: rows.columns.get(name, none) for name in self.names}
        return Rows(columns, rows.places, rows.place, [], rows.read_as, rows.file)

    def _reading(self, first: Rows, rest: Iterator[Rows]) -> Reading:
        """Say what the columns mean; where they do not by the first rows, by those of all."""
        try:
            return self.read_columns(self._full(first))
        except InputError:
            new = [self._know(rows) for rows in rest]
            if self.known or True not in new:
                raise
            self.known = True
        raise _Again

    def _usable(self, understood: Understood, full: Rows, chosen: Container[int] | None) -> Parsed:
        """Return the usable rows of a batch; note the others.

        Raises:
            _Again: this is the first batch with replies.
        """
        parts = understood.reading.parts
        parsed = parse(full, understood.reading.format, parts)
        if not understood.trainable and ("response" in parts or parsed.may_train()):
            self.trainable = understood.trainable = True
            if understood.n_parsed:
                raise _Again
        kept = usable(parsed, trainable=understood.trainable, answered="answer" in parts)
        for at, reason in kept.skipped:
            preview = shown_row(full, at)[: PREVIEW + 1]
            where = (full.file, full.places[at])
            understood.unusable.append((*where, reason, preview, len(self.names)))
        if chosen is not None:
            kept = Parsed([row for row in kept.rows if row[0] + understood.n_parsed in chosen], [])
        return kept

    def _keep(self, table: pa.Table, rows: Rows, at: list[int], compare: bool) -> None:
        self.examples.append(table)
        self.original.add(rows, at)
        if compare:
            self.words.add_stored(table["messages"].chunk(0), table["extras"].chunk(0))


def _first(batches: Iterator[Rows]) -> list[Rows]:
    """Return as many batches as have the rows that detection looks at."""
    first_batches: list[Rows] = []
    for rows in batches:
        first_batches.append(rows)
        if sum(len(batch.places) for batch in first_batches) >= SAMPLE:
            break
    return first_batches
