"""An import from end to end: rows in, tables and a summary out.

A pass over the input leaves what rows say by themselves in temporary files; then ids and sides are
known, and a pass over those files writes the tables.
"""

from __future__ import annotations

import collections
import concurrent.futures
import functools
import json
import pathlib
from collections.abc import Generator, Iterator, Mapping

import numpy as np
import pyarrow as pa

from core.arrays import Bools, by_id, release
from core.dataset import mapping, sides
from core.dataset.artifact import EXAMPLES, KEYS, ORIGINAL, SKIPPED, DatasetSummary
from core.dataset.detection import SAMPLE
from core.dataset.duplicates import compared
from core.dataset.examples import content_fingerprint, shown_row
from core.dataset.one_pass import OnePass
from core.dataset.privacy import HIDDEN, unquoted
from core.dataset.readers import Rows, batches
from core.dataset.readers.rows import BATCH_ROWS
from core.dataset.report import report
from core.dataset.settings import Settings, read_columns
from core.dataset.tables import finished, write
from core.dataset.understood import Understood
from core.errors import InputError
from core.model.conversation import conversations
from core.workspace.files import sha256_file

SOURCES_LISTED = 200


def store(folder: pathlib.Path, settings: Settings) -> DatasetSummary:
    """Read, understand and divide a dataset, and write it to a folder; return its summary.

    Raises:
        InputError: the input is unreadable, or has no usable row.
        Stopped: the run was asked to stop.
    """

    def reads() -> Generator[Rows]:
        return batches(settings.path, settings.split, header=not settings.no_header)

    with OnePass(folder, reads, lambda rows: read_columns(rows, settings)) as importing:
        expected = functools.partial(_expected, pathlib.Path(settings.path))
        split = settings.split_column or mapping.lines(settings.map).get("split")
        compare = settings.holdout_rule == 2 and (bool(split) or settings.holdout != "0")
        found = importing.understood(expected, chosen=None, compare=compare)
        release()
        parts = found.reading.columns
        skipped = found.set_aside()
        if settings.hides:
            skipped = [{**record, "reason": unquoted(record["reason"])} for record in skipped]
        reasons = collections.Counter(record["reason"] for record in skipped)
        _check(found, settings, dict(reasons.most_common()))
        ids, n_usable = found.ids(), len(found)
        if 0 < settings.limit < n_usable:
            order = by_id(np.array(ids, object))
            drawn = np.random.default_rng(settings.seed).permutation(n_usable)[: settings.limit]
            rows = sorted(order[drawn].tolist())
            ids, chosen = [ids[row] for row in rows], {found.at[row] for row in rows}
            found = importing.understood(expected, chosen=chosen, compare=compare)
        # files are written while near-duplicates are looked for
        with concurrent.futures.ThreadPoolExecutor(1) as other:
            writing = other.submit(_write_original, importing, found, folder)
            sha256 = other.submit(_source_sha256, settings.path)
            divided = _divide(importing, found, ids, settings)
            held = np.zeros(len(ids), bool)
            held[list(divided.held)] = True
            last = other.submit(_write_examples, importing, found, ids, held, folder)
            overlap = sides.given_away(divided, importing.words, folder)
            json_columns = writing.result()
            last.result()
    with (folder / SKIPPED).open("w", encoding="utf-8") as f:
        for record in sorted(skipped, key=lambda r: int(r[found.place])):
            record = {**record, "preview": HIDDEN} if settings.private else record
            f.write(json.dumps(record, ensure_ascii=False) + "\n")
    sources = collections.Counter(found.sources)
    whole: DatasetSummary = {
        "rows_read": found.n_parsed + len(found.unread),
        "rows": len(found),
        "rows_parsed": found.n_parsed,
        "pool_rows": len(ids) - len(divided.held),
        "holdout_rows": len(divided.held),
        "holdout_asked": divided.asked,
        "split_values": divided.values,
        "overlap": overlap,
        "set_aside": dict(reasons.most_common()),
        "not_sampled": n_usable - len(found),
        "duplicates": len(found) - found.n_distinct(),
        "sources": dict(sorted(sources.items(), key=lambda s: (-s[1], s[0]))[:SOURCES_LISTED]),
        "n_sources": len(sources),
        "length_quantiles": {part: found.quantiles(part) for part in ("prompt", "response")},
        "format": found.reading.format,
        "certainty": found.reading.certainty,
        "columns": parts,
        "left_out": list(found.reading.left_out),
        "as_text": found.as_text,
        "fingerprint": content_fingerprint(ids, found.digest, found.sources, found.answers),
        "trainable": found.trainable,
        "json_columns": json_columns,
        "read_as": found.read_as,
        "source_sha256": sha256.result(),
    }
    if found.reading.notes:
        whole["notes"] = list(found.reading.notes)
    if found.carried:
        whole["carried"] = dict(found.carried)
    report(whole)
    return whole


def _check(found: Understood, settings: Settings, reasons: Mapping[str, int]) -> None:
    """Refuse an input without a usable row, or whose own ids do not tell its rows apart."""
    if not len(found):
        seen = ", ".join(f"{reason} {n:,}" for reason, n in reasons.items())
        raise InputError(
            f"no usable row in {settings.path}: {seen}; it was read as {found.reading.format}, "
            f"{', '.join(f'{part} from {c}' for part, c in found.reading.columns.items())}; name "
            "other columns with --map, or mend the rows"
        )
    if settings.id_column and not found.has_own_ids():
        raise InputError(
            f"--id-column {settings.id_column!r} is not one distinct text or whole number a "
            "row; leave it away and ids are made from the content"
        )


def _expected(path: pathlib.Path, first: Rows) -> int:
    """Return about how many rows a file has, by its size and its first ones."""
    n = len(first.places)
    if n < BATCH_ROWS or not path.is_file():
        return n
    shown = [len(shown_row(first, at)) for at in range(min(n, SAMPLE))]
    return int(path.stat().st_size * len(shown) / sum(shown))


def _divide(
    importing: OnePass, found: Understood, ids: list[str], settings: Settings
) -> sides.Sides:
    """Say which rows are held out."""
    return sides.choose(
        ids,
        found.sources,
        importing.words,
        lambda: [compared(talk) for table in importing.examples for talk in conversations(table)],
        wanted=settings.holdout,
        seed=settings.seed,
        rule=settings.holdout_rule,
        column=found.reading.columns.get("split", ""),
        marks=found.marks,
    )


def _write_examples(
    importing: OnePass, found: Understood, ids: list[str], held: Bools, folder: pathlib.Path
) -> None:
    def tables() -> Iterator[pa.Table]:
        start = 0
        for table in importing.examples:
            part = slice(start, start + len(table))
            yield finished(table, start, ids[part], held[part], extras=found.has_extras)
            start += len(table)

    write(tables(), folder / EXAMPLES)


def _write_original(importing: OnePass, found: Understood, folder: pathlib.Path) -> list[str]:
    """Write the input's own columns; return those that became JSON text."""
    json_columns = importing.original.write(found.names, folder / ORIGINAL)
    if (keys := found.key_table()) is not None:
        write([keys], folder / KEYS)
    return json_columns


def _source_sha256(path: str) -> str:
    return sha256_file(pathlib.Path(path)) if pathlib.Path(path).is_file() else ""
