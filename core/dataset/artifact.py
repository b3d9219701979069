"""What a dataset is on the disk: its files, and what its manifest says.

It stands low in the order of imports: edits, and `core.model`'s tokens and texts, read these files.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pandas as pd

from core.workspace.artifact import Artifact
from core.workspace.files import read_jsonl

EXAMPLES = "examples.parquet"
"""A line a row, in order of row: row, id, source, split, position, prompt, response, messages."""
ORIGINAL, KEYS = "original.parquet", "original_keys.parquet"
"""The input's own columns, and for objects with keys of their own which of them a row has."""
SKIPPED = "set_aside.jsonl"
"""Rows that could not be used, with where they stand, the reason and a preview."""


class Understanding(TypedDict):
    """How a file and its columns were understood; early imports say only the columns."""

    columns: dict[str, str]
    """Part of a row -> its column."""
    certainty: NotRequired[str]
    """sure, likely or guess."""
    as_text: NotRequired[dict[str, str]]
    """Column -> how its cells were written as text, where that is worth a word."""
    read_as: NotRequired[dict[str, Any]]
    """Encoding, delimiter and the like, as far as they were found out."""
    notes: NotRequired[list[str]]
    """Sentences on what rows hold and nothing is made of."""
    carried: NotRequired[dict[str, int]]
    """Key that turns carry beside role and content -> turns that do; without it none does."""


class FromFile(TypedDict):
    """What the manifest of an import says, of rows or of losses."""

    source_sha256: NotRequired[str]
    """Of the file; empty or missing where the source is none."""


class DatasetSummary(Understanding):
    """What the manifest of a dataset says."""

    rows_read: int
    rows: int
    """That are kept."""
    rows_parsed: int
    """Of the file, usable or not."""
    pool_rows: int
    holdout_rows: int
    holdout_asked: int
    split_values: NotRequired[Mapping[str, tuple[int, str]]]
    """Value of a split column -> rows, and where they went."""
    overlap: NotRequired[dict[str, int]]
    """Held-out rows that rows of the pool give away: `core.dataset.overlap`."""
    set_aside: dict[str, int]
    """Reason -> rows skipped."""
    not_sampled: int
    duplicates: int
    """Rows beyond the first of those with the same content."""
    sources: dict[str, int]
    """Source -> rows, the largest ones."""
    n_sources: int
    length_quantiles: dict[str, dict[str, int]]
    """prompt and response -> p50, p90, p99, max, in characters."""
    format: str
    """A key of ROW_FORMATS."""
    left_out: NotRequired[list[str]]
    """Columns that are not in the conversations."""
    fingerprint: str
    trainable: bool
    json_columns: list[str]
    """Of the original, kept as JSON."""
    source_sha256: str
    """Empty where the source is no file."""


def examples_file(dataset: Artifact) -> pathlib.Path:
    """Return the file of the examples, for readers that take a part of it."""
    return dataset.path / EXAMPLES


def original_file(dataset: Artifact) -> pathlib.Path:
    """Return the file of the input's own columns."""
    return dataset.path / ORIGINAL


def load_examples(dataset: Artifact, columns: list[str] | None = None) -> pd.DataFrame:
    """Read examples in order of row; messages as they are stored."""
    return pd.read_parquet(examples_file(dataset), columns=columns)


def load_skipped(dataset: Artifact) -> list[dict[str, Any]]:
    """Read the rows that could not be used, with reasons."""
    return list(read_jsonl(dataset.path / SKIPPED))
