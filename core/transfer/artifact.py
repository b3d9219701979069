"""What a try of a target is on the disk: its losses, the comparison, what its manifest says."""

from __future__ import annotations

from typing import TypedDict

import pandas as pd

from core.arrays import Ints, Losses, write_array
from core.trajectories.artifact import LOSSES, POOLED
from core.workspace.artifact import Artifact
from core.workspace.draft import Draft

TABLE, ROWS = "table.parquet", "rows.npy"
FEWEST = 20
"""Rows below which nothing is said."""


class TransferSummary(TypedDict):
    """What the manifest of a transfer says; of an interval: value, low, high."""

    rows: int
    """Compared."""
    left_out: int
    """Drawn rows with a loss that is not finite."""
    checkpoints: int
    rho: list[float]
    """Rank correlation of the final losses."""
    rho_by_length: list[float]
    """The same of response length with the target's final losses."""
    ari: list[float]
    """Agreement of clusterings."""
    ari_proxy_ceiling: float
    """Agreement of the proxy with itself."""
    ari_target_ceiling: float
    ari_chance: float
    """What chance gives up to."""
    k: int
    first_loss: float
    """Mean over the rows, nats per response token."""
    final_loss: float
    steps: int
    epochs: float
    parameters: int


def write(draft: Draft, rows: Ints, losses: Losses, table: pd.DataFrame) -> None:
    """Write the rows compared (n_rows,), the target's losses of them and the table."""
    write_array(draft.path / ROWS, rows)
    write_array(draft.path / LOSSES, losses)
    table.to_parquet(draft.path / TABLE)
    (draft.path / POOLED).unlink()  # the recorder's; only a proxy's is of use


def load_table(transfer: Artifact) -> pd.DataFrame:
    """Read a line a recording: share, proxy_step, target_step, rho, low, high, ari."""
    return pd.read_parquet(transfer.path / TABLE)
