"""Parquet files and arrow tables; columns whose type few functions know are cast."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from core.dataset.readers.repeated import bounded, refuse_repeated
from core.dataset.readers.rows import BATCH_ROWS, Rows
from core.dataset.readers.sources import ReadOptions, Source
from core.errors import InputError, one_line


def read_parquet(source: Source, encoding: str, options: ReadOptions) -> Iterator[Rows]:
    """Yield the rows of a parquet file.

    Args:
        options: A file is one split, and has its own names of columns.

    Raises:
        InputError: it is broken, has no row, or swells too much.
    """
    with source.on_disk() as path:
        try:
            file = pq.ParquetFile(path)
            checked(file.schema_arrow.names, file.metadata.num_rows, str(source))
            size = path.stat().st_size
            start, first = 0, 256 if options.some else 0
            counted = refuse_repeated(file, path, source.path, size, first)
            n_rows = first or BATCH_ROWS
            for table in bounded(file, source.path, size, n_rows, counted):
                yield rows_of(table, start)
                start += len(table)
        except (pa.ArrowException, OSError) as e:
            raise InputError(
                f"{source} is a broken parquet file ({one_line(e)}); write it again"
            ) from e


def tables(table: pa.Table, where: str) -> Iterator[Rows]:
    """Yield the rows of a table.

    Raises:
        InputError: it has no row, or a name twice.
    """
    checked(table.column_names, table.num_rows, where)
    for start in range(0, table.num_rows, BATCH_ROWS):
        yield rows_of(table.slice(start, BATCH_ROWS), start)


def checked(names: list[str], n_rows: int, where: str) -> None:
    """Refuse a table without rows, or with a name twice.

    Raises:
        InputError: it is such a table.
    """
    if n_rows == 0:
        raise InputError(f"{where} has no row; give a file with at least one")
    if len(set(names)) < len(names):
        raise InputError(f"{where} names a column twice in {names!r:.300}; rename one of them")


def rows_of(table: pa.Table, start: int = 0) -> Rows:
    """Return a table as rows, its first at index `start`."""
    columns = {
        name: plain(column) for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return Rows(columns, range(start, start + table.num_rows), "index", [])


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column whose every type can be filtered, written and turned into Python values."""
    arrow_type = plain_type(column.type)
    return column if arrow_type == column.type else column.cast(arrow_type)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type to cast to: views become plain, whatever they stand in."""
    if "view" not in str(kind):
        return kind
    if kind == pa.string_view():
        return pa.large_string()
    if kind == pa.binary_view():
        return pa.large_binary()
    if pa.types.is_struct(kind):
        return pa.struct([f.with_type(plain_type(f.type)) for f in kind])
    if pa.types.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(plain_type(kind.value_type), kind.list_size)
    if pa.types.is_large_list(kind) or "large_list_view" in str(kind):
        return pa.large_list(plain_type(kind.value_type))
    if pa.types.is_list(kind) or "list_view" in str(kind):
        return pa.list_(plain_type(kind.value_type))
    return kind
