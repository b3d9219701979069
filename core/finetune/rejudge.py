"""Kept answers judged again, where only the judging has changed since: no model is loaded."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from core.dataset.privacy import is_private
from core.evaluations.load import Named
from core.finetune.answers import JUDGED
from core.finetune.artifact import ITEMS, FinetuneSummary, load_generations, weights
from core.finetune.evaluate import load_items
from core.finetune.generate import Answered, next_turn
from core.finetune.kept_answers import LIKELIHOOD, counts, judged_answer
from core.finetune.metrics import headline, measure
from core.finetune.more_tests import folder_of
from core.model.templates import renderer
from core.model.tokenizers import load_tokenizer
from core.workspace.artifact import Artifact

SAME_ANSWERS = (3,)
"""Ways to judge (`JUDGED` of then) that were given the answers that today's is given."""


def rejudged(
    made: Artifact, test: Artifact, split: str, more: Sequence[Named]
) -> dict[str, Any] | None:
    """Return a fine-tune's summary with its kept answers judged as today's are.

    None where other answers would be given today, or their texts were not kept.

    Args:
        made: The fine-tune; it stays as it is.
    """
    summary = made.summary_as(FinetuneSummary)
    tests = summary.get("tests", {})
    if summary.get("judged") not in SAME_ANSWERS or not {one.key for one in more} <= set(tests):
        return None
    if any(is_private(dataset) for dataset in (test, *(one.dataset for one in more))):
        return None
    tokenizer = load_tokenizer(str(weights(made.path, made.config["method"])))
    stops = next_turn(renderer(made.config["template"], tokenizer))
    others = {
        one.key: {
            **tests[one.key],
            **_scores(folder_of(made.path, one.key), one.dataset, "all", stops),
        }
        for one in more
    }
    first = _scores(made.path, test, split, stops)
    return {**summary, **first, **({"tests": {**tests, **others}} if tests else {})}


def _scores(
    folder: pathlib.Path, dataset: Artifact, split: str, stops: tuple[str, ...]
) -> dict[str, Any]:
    """Return what the verdicts of today change of a test's scores."""
    entries: Mapping[str, dict[str, Any]] = {
        str(entry["id"]): {str(k): v for k, v in entry.items()}
        for entry in load_items(dataset, split).to_dict("records")
    }
    answers = [
        answer
        if answer.get("matcher") == LIKELIHOOD
        else judged_answer(
            entries[answer["id"]],
            Answered(answer["said"], answer.get("asked", ""), answer.get("at_limit", False)),
            stops,
        )
        for answer in load_generations(folder)
    ]
    items = pd.read_parquet(folder / ITEMS)
    right = {answer["id"]: answer["right"] for answer in answers}
    answered = items["right"].notna()
    items.loc[answered, "right"] = items.loc[answered, "id"].astype(str).map(right)
    scores = {"judged": JUDGED, **counts(answers), **headline(measure(items))}
    if "overlap" in items:
        clean = headline(measure(items[~items["overlap"]]))
        scores |= {f"clean_{key}": value for key, value in clean.items()}
    return scores
