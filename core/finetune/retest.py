"""A sealed fine-tune tested again: its scores of an earlier version are not those of today."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.finetune.answers import JUDGED
from core.jobs.progress import say
from core.model import loading
from core.model.pool_texts import pool_texts
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


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
    model, tokenizer = _saved(made)
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


def _saved(made: Artifact) -> tuple[Any, PreTrainedTokenizerBase]:
    """Load what a fine-tune saved: a whole model, or an adapter over the model it was made on."""
    whole = made.path / "model"
    if whole.is_dir():
        return loading.load(str(whole), seed=0)
    from peft import PeftModel

    config = made.config
    texts = pool_texts(made.ancestor("dataset"), config["model"], config["template"])
    base, tokenizer = loading.load(config["model"], seed=config["seed"], texts=texts)
    return PeftModel.from_pretrained(base, str(made.path / "adapter")), tokenizer
