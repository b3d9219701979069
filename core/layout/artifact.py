"""What a map is on the disk: a place for every row, and what its manifest says."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from core.arrays import Float32s, write_array
from core.layout.islands import closer
from core.workspace.artifact import Artifact
from core.workspace.draft import Draft

XY = "xy.npy"


class LayoutSummary(TypedDict):
    """What the manifest of a layout says."""

    rows: int
    placed: int
    fitted_on: int
    """Rows that the projection was fitted on; the others are placed by these."""


def seal(draft: Draft, xy: Float32s, fitted_on: int) -> Artifact:
    """Write the places (n_rows, 2), NaN where a row has none, and seal."""
    write_array(draft.path / XY, xy)
    placed = int(np.isfinite(xy[:, 0]).sum())
    summary: LayoutSummary = {"rows": len(xy), "placed": placed, "fitted_on": fitted_on}
    return draft.seal(summary)


def load_xy(layout: Artifact) -> Float32s:
    """Return where every row is drawn (n_rows, 2), NaN where it is not: islands moved closer."""
    xy: Float32s = np.load(layout.path / XY)
    return xy if layout.config.get("method") == "pca" else closer(xy)
