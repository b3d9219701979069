"""What a selection is on the disk: a table of its rows, and what its manifest says."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

import numpy as np
import pandas as pd

from core.arrays import Ints, by_id
from core.selection.given_scores import ScoresSummary
from core.selection.target_queries import QueriesSummary
from core.workspace.artifact import Artifact

TABLE = "table.parquet"
"""A line a row, in order of rank: row, id, cluster, rank, reason."""


class SelectionSummary(TypedDict):
    """What the manifest of a selection says; early ones do not count edits."""

    rows: int
    pool: int
    """Rows that could be selected."""
    response_tokens: int
    """Of its rows, by the proxy's tokenizer; 0 where no proxy was trained."""
    pool_response_tokens: int
    ids_sha256: str
    """Equal for equal selections."""
    kept: int
    """Rows of the earlier selection that stay."""
    kept_missing: int
    edited_rows: NotRequired[str]
    """Hash of the rows that people excluded and pinned."""
    excluded: NotRequired[int]
    filtered: dict[str, int]
    """Reason -> rows."""
    pinned: NotRequired[int]
    pinned_unmeasured: int
    """Pinned rows without a loss or without a cluster."""
    scores: NotRequired[ScoresSummary]
    """Of another tool, where the strategy goes by them."""
    queries: NotRequired[QueriesSummary]
    """What its rows are to be like, where the strategy goes by that."""
    pinned_missing: int
    """Pinned rows that are not in the pool."""


def load_table(selection: Artifact, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a line for each row."""
    return pd.read_parquet(selection.path / TABLE, columns=columns)


def load_rows(selection: Artifact, by: Literal["rank", "id"] = "rank") -> Ints:
    """Return the rows of the dataset that are selected, in order of rank or of id."""
    table = load_table(selection, ["row", by])
    order = by_id(table["id"].to_numpy()) if by == "id" else np.argsort(table["rank"].to_numpy())
    return np.asarray(table["row"].to_numpy()[order], np.int64)
