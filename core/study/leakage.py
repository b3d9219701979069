"""Scores without the test items that the pool has: does the answer of a study stand without them?

They are the pool's, so that every arm and the untuned base are measured on the same items; each
fine-tune counts them as `clean_...` beside its scores.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from core.dataset.sides import PAIRS, POOL_PAIRS
from core.finetune import more_tests
from core.finetune.artifact import SCORES
from core.finetune.metrics import METRICS
from core.study.artifact import BASE_FOLDER, StudySummary
from core.study.artifact import table as table_of
from core.study.items import tested_on
from core.study.pairs import FULL
from core.study.sentences import BASE
from core.workspace.artifact import Artifact
from core.workspace.files import read_json

CLEAN = "clean_"


class Alike(NamedTuple):
    """The pairs of a test row and a row of the pool that is like it."""

    file: pathlib.Path
    tested: str
    """Id of the dataset that the test rows are from."""


def without(table: pd.DataFrame) -> pd.DataFrame | None:
    """Return the runs with the scores that they have without these items; None without any."""
    clean = [c for c in table if str(c).startswith(CLEAN)]
    if not any(str(c).removeprefix(CLEAN) in METRICS for c in clean):
        return None
    names = [str(c).removeprefix(CLEAN) for c in clean]
    rest = table.drop(columns=[*clean, *names])
    return pd.concat([rest, table[clean].set_axis(names, axis="columns")], axis=1)


def beside(table: pd.DataFrame, base: Mapping[str, Any], metric: str) -> pd.DataFrame:
    """Return each arm's mean over all items, and over those that nothing in the pool is like.

    The untuned base is the first line, where it was measured so; without such scores no line.

    Args:
        base: Scores of the untuned base.
        metric: A key of METRICS.

    Returns:
        arm, items, all, left (items), without.
    """
    of, lines = METRICS[metric].of, []
    parts = [(BASE, pd.DataFrame([dict(base)])), *table.groupby("arm", sort=False)]
    for arm, part in parts:
        if {metric, CLEAN + metric} <= set(part) and part[CLEAN + metric].notna().any():
            good = part[part[CLEAN + metric].notna()]
            line = {"arm": str(arm), "items": int(good[of].max()), "all": good[metric].mean()}
            line["left"] = int(good[CLEAN + of].max())
            lines.append(line | {"without": good[CLEAN + metric].mean()})
    return pd.DataFrame(lines)


def counts(study: Artifact, test: str = "") -> dict[str, int]:
    """Return how many rows of a test the pool gives away (`core.dataset.overlap`); {} if unknown.

    Args:
        test: Key of a test beside the first.
    """
    if not test:
        return dict(study.summary_as(StudySummary).get("overlap", {}))
    scores = read_json(more_tests.folder_of(study.path / BASE_FOLDER, test) / SCORES) or {}
    return dict(scores.get("overlap", {}).get("pool", {}))


def alike(study: Artifact, test: str = "") -> Alike | None:
    """Return where the rows of test and pool stand that are alike; None where there are none.

    The study keeps them beside the scores of its untuned base; of an earlier one they are known
    where an arm was trained on the whole pool.

    Args:
        test: Key of a test beside the first.
    """
    lines = table_of(study)
    trained = lines[lines["finetune"] != ""]
    if trained.empty:
        return None
    whole = trained[trained["arm"] == FULL]["finetune"]
    first = study.open(trained["finetune"].iloc[0])
    folders = [(study.path / BASE_FOLDER, POOL_PAIRS)]
    folders += [(study.open(id).path, PAIRS) for id in whole[:1]]
    for folder, name in folders:
        file = more_tests.folder_of(folder, test) / name
        if file.exists():
            return Alike(file, tested_on(study, first, test))
    return None
