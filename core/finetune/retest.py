"""A sealed fine-tune tested again: its scores of an earlier version are not those of today."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.evaluations.load import Named
from core.finetune.answers import JUDGED
from core.finetune.artifact import FinetuneSummary
from core.finetune.generate import DECODE_BATCH
from core.finetune.metrics import headline
from core.finetune.rejudge import rejudged
from core.finetune.seen import seen
from core.finetune.settings import Tested
from core.finetune.trained import load_trained
from core.jobs.progress import say
from core.settings import from_config
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace


def scores_of(
    workspace: Workspace,
    made: Artifact,
    test: Artifact,
    split: str,
    more: Sequence[Named] = (),
) -> Mapping[str, Any]:
    """Return a fine-tune's summary, with scores as today's fine-tunes have them.

    An earlier version judged answers in another way, the first answered other items. Where its
    answers are those of today, they are judged again; else the model is loaded and tested again.
    Nothing is trained and the fine-tune stays as it is.
    """
    summary = made.summary_as(FinetuneSummary)
    if summary.get("judged") == JUDGED:
        return made.summary
    if (scores := rejudged(made, test, split, more)) is not None:
        say(f"{made.id} was tested by an earlier version: its kept answers are judged again")
        return scores
    say(f"{made.id} was tested by an earlier version: its model is tested again")
    scores = again(workspace, made, test, split, more)
    others = {**summary.get("tests", {}), **scores.pop("tests", {})}
    return {**summary, **headline(scores), **({"tests": others} if others else {})}


def again(
    workspace: Workspace,
    made: Artifact,
    test: Artifact,
    split: str,
    more: Sequence[Named] = (),
    *,
    batch: int = DECODE_BATCH,
) -> dict[str, Any]:
    """Return the scores of a fine-tune's model, loaded and tested; `batch` as `evaluate` takes it.

    Those of more tests stand under `tests`.
    """
    from core.finetune.evaluate import evaluate
    from core.model.tokens import tokenize

    model, tokenizer = load_trained(made)
    config, dataset = made.config, made.ancestor("dataset")
    tokens = tokenize(workspace, dataset, tokenizer, config["template"])
    measured = functools.partial(
        evaluate,
        workspace,
        model,
        tokenizer,
        template=config["template"],
        max_length=config["max_length"],
        trained=tokens.cut(config["max_length"]).response_lengths(),
        how=from_config(Tested, config),
        batch=batch,
    )

    def scores(tested: Artifact, rows: str) -> dict[str, Any]:
        shared = seen(dataset, np.zeros(0, int), tested, rows)
        return measured(tested, split=rows, overlapping=shared.overlapping()).scores

    fresh = scores(test, split)
    others = {one.key: headline(scores(one.dataset, "all")) for one in more}
    return {**fresh, **({"tests": others} if others else {})}
