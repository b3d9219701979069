"""What the manifest of a dataset says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict


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
