"""Rows of a dataset by their text, their columns or their number, without reading the rest.

DuckDB scans the parquet files; its extensions are never downloaded. Regular expressions are RE2's:
linear in the text, so that no pattern and no text can hang the server.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.arrays import Ints
from core.dataset.artifact import examples_file, original_file
from core.errors import InputError
from core.model.conversation import with_extras
from core.workspace.artifact import Artifact

ColumnKind = Literal["category", "number", "text"]
FEW = 50
"""Distinct values up to which a column is a category."""
LONGEST_PATTERN = 1_000


class FilterColumn(NamedTuple):
    """A column of the input, as a filter needs it."""

    name: str
    kind: ColumnKind
    values: tuple[str, ...] = ()
    """Of a category, the commonest first."""
    low: float = 0.0
    high: float = 0.0


class Condition(NamedTuple):
    """What the rows of a filter have in common.

    A category's value is one of `values`, a number lies in [low, high], a text contains `text`.
    """

    column: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    text: str = ""


def connect() -> duckdb.DuckDBPyConnection:
    """Open DuckDB in memory, without a network."""
    return duckdb.connect(
        config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )


def fetch(dataset: Artifact, rows: Sequence[int] | Ints, columns: str = "*") -> pd.DataFrame:
    """Return examples of a dataset in the order asked for, indexed by row.

    Each row is there once, however often it is asked for; unknown rows are not in.

    Args:
        columns: Of examples.parquet, `row` among them; messages come as whole turns.
    """
    asked = list(dict.fromkeys(int(r) for r in rows))
    if not asked:
        asked = [-1]
    names = pq.read_schema(examples_file(dataset)).names
    whole = "messages" in columns.replace(",", " ").split()
    if whole and "extras" in names:
        columns += ", extras"
    with connect() as sql:  # literals, not a parameter: only those skip the other row groups
        table = sql.execute(
            f"select {columns} from read_parquet(?) where row in ({','.join(map(str, asked))})",
            [str(examples_file(dataset))],
        ).df()
    if "messages" in table:
        table = with_extras(table)
    return table.set_index("row", drop=False).reindex(asked).dropna(subset=["row"])


def search(dataset: Artifact, text: str, *, regex: bool = False) -> Ints:
    """Return the rows whose prompt or response contains a text, whatever its case.

    Args:
        dataset: The dataset; all its rows are searched.
        text: A substring, or a regular expression in RE2's syntax.

    Raises:
        InputError: the expression is not one, or too long.
    """
    if not text:
        return np.zeros(0, np.int64)
    test = "regexp_matches({0}, ?, 'i')" if regex else "contains(lower({0}), lower(?))"
    where = " or ".join(test.format(column) for column in ("prompt", "response"))
    with connect() as sql:
        try:
            table = sql.execute(
                f"select row from read_parquet(?) where {where} order by row",
                [str(examples_file(dataset)), checked(text), text],
            ).fetchnumpy()["row"]
        except duckdb.InvalidInputException as e:
            raise InputError(f"{text!r} is not a regular expression: {_reason(e)}") from e
    return np.asarray(table, np.int64)


def checked(text: str) -> str:
    """Return a pattern that is not too long.

    Raises:
        InputError: it is.
    """
    if len(text) > LONGEST_PATTERN:
        raise InputError(
            f"the search has {len(text):,} characters; give at most {LONGEST_PATTERN:,}"
        )
    return text


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0].removeprefix("Invalid Input Error: ")


def spans(texts: Sequence[str], text: str, *, regex: bool = False) -> list[list[tuple[int, int]]]:
    """Return where the texts of a page match a search: begin and end of each match, in order.

    The matches of an expression are found by the engine that searched, for it cannot be made to
    run for ever by a text.
    """
    if not text:
        return [[] for _ in texts]
    if not regex:
        literal = re.compile(re.escape(text), re.IGNORECASE)
        return [[m.span() for m in literal.finditer(t)] for t in texts]
    with connect() as sql:
        table = sql.execute(
            "select regexp_extract_all(t, ?, 0, 'i') from (select unnest(?) t)",
            [text, list(texts)],
        ).fetchall()
    return [_places(t, matches) for t, (matches,) in zip(texts, table, strict=True)]


def _places(text: str, matches: list[str]) -> list[tuple[int, int]]:
    out, end = [], 0
    for match in matches:
        start = text.find(match, end) if match else -1
        if start >= 0:
            end = start + len(match)
            out.append((start, end))
    return out


def row_of(dataset: Artifact, text: str) -> int | None:
    """Return the row with this number or id; None where there is none. A number comes first."""
    with connect() as sql:
        match = sql.execute(
            "select row from read_parquet(?) where id = ? or row = ? order by row = ? desc limit 1",
            [str(examples_file(dataset)), text, *[_number(text)] * 2],
        ).fetchone()
    return None if match is None else int(match[0])


def _number(text: str) -> int:
    clean = text.replace(",", "").strip()
    return int(clean) if clean.isdecimal() and len(clean) < 18 else -1


def columns(dataset: Artifact) -> list[FilterColumn]:
    """Return the columns of the input that rows can be filtered by, in the order of the input."""
    path = str(original_file(dataset))
    with connect() as sql:
        known = sql.execute("describe select * from read_parquet(?)", [path]).fetchall()
        return [c for name, kind, *_ in known if (c := _column(sql, path, name, kind)) is not None]


def _column(sql: duckdb.DuckDBPyConnection, path: str, name: str, kind: str) -> FilterColumn | None:
    col = quoted(name)
    if kind in ("VARCHAR", "BOOLEAN"):
        # a text column of a large file shows in its first rows that it is no category
        head = f"(select {col} v from read_parquet(?) limit 20000)"
        (distinct,) = _one(sql, f"select count(distinct v) from {head}", path)
        if distinct <= FEW:
            match = sql.execute(
                f"select {col}::varchar v, count(*) n from read_parquet(?) where v is not null "
                f"group by v order by n desc, v limit {FEW + 1}",
                [path],
            ).fetchall()
            if len(match) <= FEW:
                return FilterColumn(name, "category", tuple(v for v, _ in match))
        return FilterColumn(name, "text")
    if any(word in kind for word in ("INT", "DOUBLE", "FLOAT", "DECIMAL")) and "[" not in kind:
        low, high = _one(sql, f"select min({col}), max({col}) from read_parquet(?)", path)
        if low is not None and np.isfinite([float(low), float(high)]).all():
            return FilterColumn(name, "number", (), float(low), float(high))
    return None  # lists and records: search their text


def _one(sql: duckdb.DuckDBPyConnection, query: str, path: str) -> Any:
    return sql.execute(query, [path]).fetchone()


def matching(dataset: Artifact, conditions: Sequence[Condition], known: list[FilterColumn]) -> Ints:
    """Return the rows that meet all conditions on columns of the input.

    Args:
        known: Its columns, as `columns` gives them.

    Raises:
        InputError: a condition is on a column that is not there.
    """
    kinds = {c.name: c.kind for c in known}
    tests: list[str] = []
    values: list[Any] = []
    for condition in conditions:
        if condition.column not in kinds:
            raise InputError(f"the data has no column {condition.column!r} to filter by")
        name, kind = quoted(condition.column), kinds[condition.column]
        if kind == "category":
            tests.append(f"o.{name}::varchar in (select unnest(?))")
            values.append(list(condition.values))
        elif kind == "number":
            tests.append(f"o.{name} between ? and ?")
            values += [condition.low, condition.high]
        else:
            tests.append(f"contains(lower(o.{name}), lower(?))")
            values.append(condition.text)
    with connect() as sql:  # the original has the rows of the dataset, in their order
        table = sql.execute(
            "select file_row_number as row from read_parquet(?, file_row_number=true) o "
            f"where {' and '.join(tests)} order by 1",
            [str(original_file(dataset)), *values],
        ).fetchnumpy()["row"]
    return np.asarray(table, np.int64)


def values_of(dataset: Artifact, column: str) -> pd.Series:
    """Return a column of the input for every row of the dataset (n_rows,)."""
    frame: pd.DataFrame = pq.read_table(original_file(dataset), columns=[column]).to_pandas()
    return frame[column]


def quoted(name: str) -> str:
    """Return a column's name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def prompts(dataset: Artifact, rows: npt.NDArray[np.int64]) -> pd.Series:
    """Read the prompts of these rows, in their order."""
    place = pa.table({"row": rows, "place": np.arange(len(rows))})
    with connect() as sql:
        sql.register("wanted", place)
        table = sql.execute(
            "select prompt from read_parquet(?) join wanted using (row) order by place",
            [str(examples_file(dataset))],
        ).df()
    return table["prompt"]
