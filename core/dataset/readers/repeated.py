"""Parquet stores a repeated value once: what a file grows to is counted while it is small."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.dataset.readers.rows import BATCH_ROWS
from core.dataset.readers.sources import refuse_swollen

SWELLS_UNREAD = 1 << 30
"""Bytes up to which columns may grow by any factor: one source may name a million rows."""
LARGE = 32 << 20
"""Bytes of a file from which more rows are counted at once."""
FEW, MANY = 64, 2048
"""Rows counted at once, each long value held once: of a small and of a large file."""
DECODED = 128
"""Rows decoded at once, at most."""
BATCH_BYTES = 128 << 20
"""Bytes after which a batch ends, whatever its rows."""
TEXTS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
)


def bounded(
    file: pq.ParquetFile,
    path: pathlib.Path,
    size: int,
    rows: int = BATCH_ROWS,
    counted: int | None = None,
) -> Iterator[pa.Table]:
    """Yield the rows of a parquet file in batches; few are decoded at once, and counted.

    Args:
        size: Its bytes.
        rows: How many a batch has, at most.
        counted: The bytes of all rows, where they are known already: then few may be one batch.

    Raises:
        InputError: it swells too much.
    """
    if counted is not None and counted <= BATCH_BYTES:
        yield from map(pa.Table.from_batches, ([batch] for batch in file.iter_batches(rows)))
        return
    n_bytes = 0
    held: list[pa.RecordBatch] = []
    n_held = n_held_bytes = 0
    has_dictionary = _has_dictionary(file)
    each = 1 + (counted or 0) // max(1, file.metadata.num_rows)
    few = max(1, min(DECODED, rows, BATCH_BYTES // each))
    for batch in file.iter_batches(few, use_threads=False):
        more = decoded_bytes(batch) if has_dictionary else batch.nbytes
        n_bytes += more
        _refuse(path, n_bytes, size)
        held.append(batch)
        n_held, n_held_bytes = n_held + len(batch), n_held_bytes + more
        if n_held >= rows or n_held_bytes >= BATCH_BYTES:
            yield pa.Table.from_batches(held).combine_chunks()
            held, n_held, n_held_bytes = [], 0, 0
    if held:
        yield pa.Table.from_batches(held).combine_chunks()


def refuse_repeated(
    file: pq.ParquetFile, file_path: pathlib.Path, path: pathlib.Path, size: int, first: int = 0
) -> int | None:
    """Refuse a parquet file that swells beyond reason before any of its rows is used.

    Args:
        file_path: Where its bytes are.
        path: What it is called.
        first: Rows that are used; 0 for all.

    Returns:
        The bytes of all rows; None where some are used.

    Raises:
        InputError: it swells too much.
    """
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    n_bytes = sum(chunk.total_uncompressed_size for chunk in chunks)
    _refuse(path, n_bytes, size)
    n_bytes = n_rows = 0
    by_delta = {c.path_in_schema for c in chunks if "DELTA" in str(c.encodings)}
    by_name = sorted({c.path_in_schema for c in chunks} - by_delta)
    short = pq.ParquetFile(file_path, read_dictionary=by_name)  # a long value is held once
    fronts = any("DELTA_BYTE_ARRAY" in str(chunk.encodings) for chunk in chunks)
    for batch in short.iter_batches(
        MANY if size > LARGE and not fronts else FEW, use_threads=False
    ):
        n_bytes, n_rows = n_bytes + decoded_bytes(batch), n_rows + len(batch)
        _refuse(path, n_bytes, size)
        if 0 < first <= n_rows:
            break
    return None if first else n_bytes


def _has_dictionary(file: pq.ParquetFile) -> bool:
    return "dictionary" in str(file.schema_arrow.types)


def _refuse(path: pathlib.Path, n_bytes: int, size: int) -> None:
    refuse_swollen(path, n_bytes, size, SWELLS_UNREAD, "write it as JSON lines")


def decoded_bytes(batch: pa.RecordBatch) -> int:
    """Return the bytes of a batch where each text of a dictionary is written out."""
    return sum(map(_written_out, batch.columns))


def _written_out(array: Any) -> int:
    kind = array.type
    if pa.types.is_dictionary(kind):
        if not any(is_text(kind.value_type) for is_text in TEXTS):
            return int(array.nbytes)
        lengths = pc.binary_length(array.dictionary)
        return int(pc.sum(pc.take(lengths, array.indices)).as_py() or 0)
    if pa.types.is_struct(kind):
        return sum(map(_written_out, array.flatten()))
    if pa.types.is_map(kind):
        start, end = array.offsets[0].as_py(), array.offsets[-1].as_py()
        return sum(_written_out(part[start:end]) for part in (array.keys, array.items))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _written_out(array.flatten())
    return int(array.nbytes)
