"""A sealed fine-tune tested again: its scores of an earlier version are not those of today."""

from __future__ import annotations

from typing import Any

from core.finetune.answers import JUDGED
from core.finetune.trained import load_trained
from core.jobs.progress import say
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace


def scores_of(workspace: Workspace, made: Artifact, test: Artifact, split: str) -> dict[str, Any]:
    """Return a fine-tune's summary, with scores as today's fine-tunes have them.

    An earlier version judged answers in another way and answered other items. Such a model is
    loaded and tested again; nothing is trained and the fine-tune stays as it is.
    """
    summary = made.summary
    if summary.get("judged") == JUDGED:
        return summary
    from core.finetune.evaluate import evaluate
    from core.model.tokens import tokenize

    say(f"{made.id} was tested by an earlier version: its model is tested again")
    model, tokenizer = load_trained(made)
    config = made.config
    tokens = tokenize(workspace, made.ancestor("dataset"), tokenizer, config["template"])
    result = evaluate(
        workspace,
        model,
        tokenizer,
        test,
        split=split,
        template=config["template"],
        max_length=config["max_length"],
        trained=tokens.cut(config["max_length"]).response_lengths(),
        answer_tokens=config.get("answer_tokens", "auto"),
        decode=config["decode"],
    )
    return {**summary, **{k: v for k, v in result.scores.items() if not isinstance(v, dict)}}
