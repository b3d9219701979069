"""How long a study's new fine-tunes will take, from earlier ones of the same target."""

from __future__ import annotations

import numpy as np

from core import finetune
from core.clusters.artifact import ClustersSummary
from core.errors import InputError
from core.finetune.artifact import FinetuneSummary
from core.selection import budget as budgets
from core.study.plan import Opened, Run, has_sizes
from core.study.settings import epochs_of
from core.workspace.store import Workspace

MEASURED = 12
"""Earlier fine-tunes, the newest, that a forecast is made of, at most."""


def rows_of(opened: Opened, run: Run) -> int:
    """Return about how many rows a run is trained on, without drawing it."""
    pool = opened.clusters[0].summary_as(ClustersSummary)["clustered"]
    if not has_sizes(run.arm):
        return pool
    try:
        budget = budgets.parse(run.budget)
        return budget.rows(pool) if budget.kind != "tokens" else pool
    except InputError:
        return pool


def seconds_of(workspace: Workspace, opened: Opened, new: list[Run], steps: int) -> float:
    """Forecast the seconds of fine-tunes from earlier ones of the same target; NaN without any.

    A fine-tune takes as long as its steps, and as loading, testing and answering.
    """
    s = opened.settings
    earlier = [
        e
        for e in workspace.recent("finetune")
        if e.state == "sealed"
        and (e.config.get("model"), e.config.get("method")) == (s.model, s.method)
        and e.config.get("batch_size") == s.batch_size
        and e.summary_as(FinetuneSummary).get("train_seconds")
        and e.summary_as(FinetuneSummary).get("steps")
    ][:MEASURED]
    if not earlier:
        return float("nan")
    each, rest = [], []
    for entry in earlier:
        training = float(entry.summary_as(FinetuneSummary)["train_seconds"])
        each.append(training / int(entry.summary_as(FinetuneSummary)["steps"]))
        rest.append(float(workspace.open(entry.id).manifest["seconds"]) - training)
    total = 0.0
    for run in new:
        of_run = steps or finetune.steps_of(
            finetune.Settings(
                selection="x", epochs=epochs_of(s), batch_size=s.batch_size, model=s.model
            ),
            rows_of(opened, run),
        )
        total += float(np.median(each)) * of_run + max(0.0, float(np.median(rest)))
    return total
