"""What a measurement of gains is on the disk: a line for each row that was scored."""

from __future__ import annotations

from typing import TypedDict

import pandas as pd

from core.workspace.artifact import Artifact
from core.workspace.draft import Draft
from core.workspace.store import Workspace

FILE = "rows.parquet"


class GainsSummary(TypedDict):
    """Mean losses, in nats per response token, and what they were measured on."""

    rows: int
    """Scored."""
    pool: int
    """That could have been: rows of the pool with a response token within the longest row."""
    trained: int
    """Of those scored, the rows that the fine-tune was trained on."""
    before: float
    after: float
    """Means over the pool: each scored row counts for those of its group that were not."""
    unseen_before: float | None
    unseen_after: float | None
    """The same over rows that were not trained on; None where all were."""
    groups: str
    """What some of each was taken: clusters, or sources where there are no clusters."""


def write(draft: Draft, rows: pd.DataFrame) -> None:
    """Write the rows: row, id, source, cluster, trained, weight, before, after."""
    rows.to_parquet(draft.path / FILE)


def load(gains: Artifact) -> pd.DataFrame:
    """Return a line for each row that was scored.

    row, id, source, cluster (-1 for none), trained (whether the fine-tune was trained on it),
    weight (rows of the pool it stands for), before and after (nats per response token).
    """
    return pd.read_parquet(gains.path / FILE)


def of(workspace: Workspace, finetune: str) -> Artifact | None:
    """Return the newest gains of a fine-tune, if they were measured."""
    for entry in workspace.recent("gains"):
        if entry.state == "sealed" and entry.parents.get("finetune") == finetune:
            return workspace.open(entry.id, "gains")
    return None
