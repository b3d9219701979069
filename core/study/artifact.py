"""What a study is on the disk: a line for each fine-tune, and what its manifest says."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

import pandas as pd

from core.workspace.artifact import Artifact
from core.workspace.draft import Draft

TABLE, BASE_TABLE = "table.parquet", "base.parquet"


class StudySummary(TypedDict):
    """What the manifest of a study says."""

    arms: list[str]
    exploratory: NotRequired[list[str]]
    """Arms from saved selections; a study older than these has no such list."""
    seeds: list[int]
    steps: int
    """Optimizer steps of every arm."""
    budget: str
    test: str
    base: dict[str, Any]
    """Scores of the untuned base."""
    means: dict[str, dict[str, float]]
    """Arm -> metric -> mean over the seeds."""
    overlap: NotRequired[dict[str, int]]
    """Test rows that rows of the pool give away: `core.dataset.overlap`."""


def write(draft: Draft, lines: pd.DataFrame, base: pd.DataFrame) -> None:
    """Write the tables: a line a fine-tune (arm, seed, finetune, seconds, counts, scores)."""
    lines.to_parquet(draft.path / TABLE)
    base.to_parquet(draft.path / BASE_TABLE)


def table(study: Artifact) -> pd.DataFrame:
    """Read a line for each fine-tune."""
    return pd.read_parquet(study.path / TABLE)
