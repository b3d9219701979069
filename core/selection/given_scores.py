"""Scores of the rows that another tool gave: RDS+, LESS, a judge's ratings, anything with a number.

A table (parquet, CSV, JSON Lines) has an id and a score in each row; a `.npy` has the scores in the
order of the dataset's rows. What is used is kept with the selection, so that it can be made again.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import sys
from typing import Literal, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.arrays import Float64s, load_given
from core.dataset import readers
from core.errors import InputError
from core.settings import Group, setting
from core.workspace.files import regular, sha256_file

KEPT = "scores.parquet"
"""In a selection's folder: id and score of every row that the file named, in order of id."""
NO_SCORE = "without a score"
"""Why a row is not to choose from."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GivenScores(Group):
    """Which scores, and which end of them is wanted."""

    scores: str = setting(
        "",
        help="File of scores by row: a table of id and score (parquet, CSV, JSON Lines), or a .npy "
        "in the order of the dataset's rows",
        label="Scores of another tool",
        names="scores",
    )
    score_column: str = setting(
        "score", help="Column of the scores", label="Column of the scores", advanced=True
    )
    rule: Literal["top", "bottom", "middle", "weighted"] = setting(
        "top",
        help="top takes the largest scores, bottom the smallest, middle those nearest the middle "
        "rank; weighted draws by chance, a row twice as probably whose score is twice as large",
        label="Which scores",
    )


class ScoresSummary(TypedDict):
    """What a selection's manifest says of the scores it went by."""

    file: str
    """Name of the file, without its folder."""
    column: str
    sha256: str
    """Of the file."""
    rows: int
    """Rows of the dataset that have a score."""
    missing: int
    """Rows of the dataset without one."""
    repeated: int
    """Lines with an id that an earlier line had: the first counts."""
    unknown: int
    """Lines with an id that the dataset does not have."""


class Given(NamedTuple):
    """The scores of a dataset's rows."""

    of_rows: Float64s
    """(n_rows,), NaN where there is none."""
    summary: ScoresSummary
    table: pd.DataFrame
    """id, score: what the file said of rows of this dataset, in order of id."""


def load(settings: GivenScores, ids: npt.NDArray[np.object_]) -> Given:
    """Read the scores of a dataset's rows.

    Args:
        ids: Of the dataset's rows, in their order (n_rows,).

    Raises:
        InputError: the file cannot be read, lacks a column, has a score that is no finite number,
            or has scores of no row.
    """
    path = _path(settings)
    named, values = _read(str(path), settings.score_column, _changed(path))
    if named is None:
        if len(values) != len(ids):
            raise InputError(
                f"{path.name} has {len(values):,} scores and the dataset {len(ids):,} rows, so "
                "their order does not match; give a table of id and score"
            )
        named = ids
    known = pd.Index(named)
    repeated = known.duplicated()
    at = pd.Index(ids).get_indexer(known)
    used = (at >= 0) & ~repeated
    if not used.any():
        raise InputError(
            f"{path.name} has scores of {len(known):,} ids, none of which is a row of the dataset; "
            f"its rows have ids like {str(ids[0])!r}, the file's are like {str(known[0])!r}"
            if len(known)
            else f"{path.name} has no scores"
        )
    of_rows = np.full(len(ids), np.nan)
    of_rows[at[used]] = values[used]
    table = pd.DataFrame({"id": known[used].astype(str), "score": values[used]})
    table = table.sort_values("id", ignore_index=True)
    summary: ScoresSummary = {
        "file": path.name,
        "column": settings.score_column,
        "sha256": file_hash(settings),
        "rows": int(used.sum()),
        "missing": len(ids) - int(used.sum()),
        "repeated": int(repeated.sum()),
        "unknown": int((at[~repeated] < 0).sum()),
    }
    return Given(of_rows, summary, table)


def sentence(summary: ScoresSummary) -> str:
    """Say what was read, and what was not used of it."""
    parts = [f"{summary['file']} has scores of {summary['rows']:,} rows"]
    parts += [f"{summary['missing']:,} have none and are left out"] if summary["missing"] else []
    if summary["repeated"]:
        parts.append(f"{summary['repeated']:,} lines repeat an id, the first counts")
    if summary["unknown"]:
        parts.append(f"{summary['unknown']:,} lines name no row of the dataset")
    return "; ".join(parts)


def file_hash(settings: GivenScores) -> str:
    """Return the SHA-256 of the file of scores.

    Raises:
        InputError: there is none.
    """
    path = _path(settings)
    return _hash(str(path), _changed(path))


@functools.lru_cache(maxsize=16)
def _hash(path: str, _at: int) -> str:
    return sha256_file(pathlib.Path(path))


def _path(settings: GivenScores) -> pathlib.Path:
    return regular(pathlib.Path(settings.scores).expanduser())


def _changed(path: pathlib.Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as e:
        raise InputError(f"{path} cannot be read: {e.strerror}") from None


@functools.lru_cache(maxsize=4)
def _read(path: str, column: str, _at: int) -> tuple[npt.NDArray[np.object_] | None, Float64s]:
    """Return ids, None for an array in order of rows, and scores; read again when it changed."""
    if path.endswith(".npy"):
        array = load_given(pathlib.Path(path))
        if array.ndim != 1 or array.dtype.kind not in "fiu":
            raise InputError(
                f"{pathlib.Path(path).name} has the shape {array.shape} of {array.dtype}; one "
                "number for each row is needed"
            )
        return None, _finite(np.asarray(array, np.float64), path)
    rows = readers.read(path, "train")
    for name in ("id", column):
        if name not in rows.columns:
            there = ", ".join(list(rows.columns)[:12])
            raise InputError(
                f"{pathlib.Path(path).name} has no column {name!r}, but {there}; "
                + ("--score-column names another" if name == column else "each row needs its id")
            )
    if rows.skipped:
        first = rows.skipped[0]
        raise InputError(
            f"{len(rows.skipped):,} lines of {pathlib.Path(path).name} cannot be read; the first "
            f"is {rows.place} {first[rows.place]}: {first['reason']}"
        )
    cells = rows.values(column)
    odd = [
        isinstance(c, bool) or (isinstance(c, int) and abs(c) > sys.float_info.max) for c in cells
    ]
    some = [None if wrong else cell for wrong, cell in zip(odd, cells, strict=True)]
    numbers = np.array(pd.to_numeric(pd.Series(some, dtype=object), errors="coerce"), np.float64)
    named = np.array([str(cell) for cell in rows.values("id")], object)
    return named, _finite(numbers, path)


def _odd(cell: object) -> bool:
    """Say whether a cell is true or false, or an integer beyond every float."""
    return isinstance(cell, bool) or (isinstance(cell, int) and abs(cell) > sys.float_info.max)


def _finite(values: Float64s, path: str) -> Float64s:
    """Return the scores, all of them numbers."""
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise InputError(
            f"{len(wrong):,} of {len(values):,} scores of {pathlib.Path(path).name} are no finite "
            f"number, the first in row {wrong[0] + 1:,}; leave those rows out of the file"
        )
    return values
