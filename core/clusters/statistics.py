"""k-means of loss trajectories, and the numbers that describe its clusters.

Rows are put in order of id before any seeded step and clusters are numbered by (size, smallest id),
so a permuted dataset gives the same clusters.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.arrays import Labels, Losses
from core.clusters import kmeans

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def quantiles(losses: Losses, labels: Labels, steps: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Return loss quantiles per cluster and step: cluster, step, q10, q25, q50, q75, q90."""
    parts = []
    for c, rows in enumerate(kmeans.members(labels)):
        if len(rows):
            columns = np.ascontiguousarray(losses[rows].T)  # partitioned a column at a time
            q = np.quantile(columns, QUANTILES, axis=1)
            part = pd.DataFrame(q.T, columns=[f"q{round(100 * p)}" for p in QUANTILES])
            part.insert(0, "step", steps)
            part.insert(0, "cluster", c)
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def describe(labels: Labels, losses: Losses, flags: pd.DataFrame) -> pd.DataFrame:
    """Return one row per cluster, in order of number.

    Columns: cluster, size, first_loss, final_loss, drop (nats per response token), tokens (mean
    response length), source (the commonest), purity (its share of the cluster).
    """
    frame = pd.DataFrame(
        {
            "cluster": labels,
            "first_loss": losses[:, 0],
            "final_loss": losses[:, -1],
            "tokens": flags["n_response"].to_numpy(),
            "source": flags["source"].to_numpy(),
        }
    )
    frame = frame[frame["cluster"] >= 0]
    grouped = frame.groupby("cluster")
    table = grouped[["first_loss", "final_loss", "tokens"]].mean()
    table.insert(0, "size", grouped.size())
    table.insert(3, "drop", table["first_loss"] - table["final_loss"])
    counts = frame.groupby(["cluster", "source"]).size()
    top = counts.groupby("cluster").idxmax()
    table["source"] = [source for _, source in top]
    table["purity"] = counts.groupby("cluster").max() / table["size"]
    return table.reset_index()
