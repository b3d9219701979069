"""Recorded losses become an artifact: flagged, counted, sealed, and what is doubtful is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from core.arrays import Ints
from core.errors import InputError
from core.jobs.progress import say
from core.trajectories import proxy_warnings
from core.trajectories.artifact import FLAGS, LOSSES, TrajectoriesSummary, load_recordings
from core.workspace.artifact import Artifact
from core.workspace.draft import Draft


def finish(draft: Draft, rows: Ints, flags: pd.DataFrame, facts: dict[str, Any]) -> Artifact:
    """Write the flags of recorded losses, count, and seal.

    Args:
        draft: With losses, steps and recordings written.
        rows: The rows that were to be recorded.
        flags: As `load_flags` gives them; rows whose loss is not finite are flagged here.
        facts: What else the summary holds.
    """
    losses = np.load(draft.path / LOSSES, mmap_mode="r")
    measured = rows[np.isfinite(losses[rows]).all(1)]
    if not len(measured):
        remedy = "import others" if facts.get("imported") else "try a smaller --lr"
        raise InputError(
            f"no row has a finite loss at every recording, so there is nothing to use; {remedy}"
        )
    flags.loc[np.setdiff1d(rows, measured), "flag"] = "loss not finite"
    flags.to_parquet(draft.path / FLAGS)
    means = losses[measured].mean(0, np.float64)
    columns = load_recordings(draft.path)
    counts = flags["flag"].value_counts()
    counted = {
        "rows": len(flags),
        "measured": len(measured),
        "unmeasurable": int(counts.get("no response token", 0) + counts.get("loss not finite", 0)),
        "not_finite": int(counts.get("loss not finite", 0)),
        "holdout": int(counts.get("holdout", 0)),
        "not_sampled": int(counts.get("not sampled", 0)),
        "truncated": int(flags["truncated"].sum()),
        "checkpoints": len(columns),
        "first_loss": round(float(means[0]), 4),
        "final_loss": round(float(means[-1]), 4),
        "record_seconds": round(sum(c["seconds"] for c in columns), 1),
        **facts,
    }
    artifact = draft.seal(counted, drop=("checkpoints",))
    say(
        f"mean loss {means[0]:.3f} -> {means[-1]:.3f} nats per response token over "
        f"{len(measured):,} of {len(flags):,} rows, {len(columns)} recordings"
    )
    summary = artifact.summary_as(TrajectoriesSummary)
    lengths = flags["n_tokens"].to_numpy()
    for warning in proxy_warnings.warnings(summary, artifact.config, lengths, columns[0]["step"]):
        say(f"warning: {warning}")
    return artifact
