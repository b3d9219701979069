"""Tests beside the first one: each has its scores, answers and items in a folder of its own."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from core.arrays import Ints
from core.evaluations import regression
from core.evaluations.load import Named
from core.finetune.artifact import ITEMS, Result, write_result
from core.finetune.metrics import headline
from core.finetune.seen import seen
from core.workspace.artifact import Artifact
from core.workspace.files import write_json

FOLDER = "tests"
SKILLS = "regression.json"
"""What was right of the regression suite before and after, by kind."""


def run(
    tests: Sequence[Named],
    measured: Callable[..., Result],
    dataset: Artifact,
    trained: Ints,
    folder: pathlib.Path,
) -> dict[str, dict[str, Any]]:
    """Test a model on several tests; write what they give and return what a summary says of each.

    Args:
        measured: `core.finetune.evaluate.evaluate` with all given but the test.
        dataset: Where the rows trained on are from.
        trained: These rows of it; the pool is compared with the tests, too.
    """
    out = {}
    for test in tests:
        shared = seen(dataset, trained, test.dataset, "all")
        result = measured(test.dataset, split="all", overlapping=shared.overlapping())
        result = result._replace(scores={**result.scores, **shared.scores()})
        place = folder_of(folder, test.key)
        write_result(place, result)
        shared.write(place)
        out[test.key] = {
            "title": test.title,
            "dataset": test.dataset.id,
            "left_out": test.left_out,
            "gold_programs": test.programs,
            "overlap_told": shared.sentence(),
            **headline(result.scores),
        }
    return out


def folder_of(folder: pathlib.Path, key: str) -> pathlib.Path:
    """Return where an artifact keeps a test's scores, answers and items; "" is the first test."""
    return folder / FOLDER / key if key else folder


def skills(tests: Sequence[Named], measured: Callable[..., Result]) -> dict[str, int]:
    """Return what a model has right of the regression suite, by kind; nothing where not asked."""
    regression = [test for test in tests if test.key == "regression"]
    return by_kind(measured(regression[0].dataset, split="all").items) if regression else {}


def by_kind(items: pd.DataFrame) -> dict[str, int]:
    """Count what is right of each source, by answer or by choice."""
    right = items["right"]
    if "choice" in items:
        right = right.where(right.notna(), items["choice"])
    counts = right.fillna(False).astype(bool).groupby(items["source"]).sum()
    return {str(kind): int(n) for kind, n in counts.items()}


def worsened(
    before: dict[str, int], tested: dict[str, dict[str, Any]], folder: pathlib.Path
) -> str:
    """Say what a training made worse, and keep the counts; empty where it was not asked.

    Args:
        before: As `skills` counted before the training.
        tested: As `run` returned it.
    """
    if "regression" not in tested:
        return ""
    items = pd.read_parquet(folder_of(folder, "regression") / ITEMS)
    changes = regression.changes(before, by_kind(items))
    write_json(folder / SKILLS, {"kinds": [change._asdict() for change in changes]})
    return regression.sentence(changes)
