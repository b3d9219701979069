"""Cheap checks before a study makes anything: a bad model, template or test set leaves nothing.

What is loaded for them is what the untuned base is tested with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core import finetune
from core.errors import InputError
from core.evaluations.load import load_all
from core.finetune.run import check_tests
from core.finetune.settings import Target
from core.model import adapters, loading
from core.model.pool_texts import pool_texts
from core.model.remarks import by_reason, remedy
from core.model.templates import choose
from core.study.plan import Tests
from core.study.settings import Settings
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from core.model.tokens import Tokens


class Checked(NamedTuple):
    """The untuned target, loaded, and the data as it reads it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    template: str
    tokens: Tokens
    """Cut to the window."""


def check(workspace: Workspace, dataset: Artifact, s: Target, seed: int) -> Checked:
    """Load the target, render and cut the data, and try one row.

    Args:
        dataset: What the arms are drawn from.
        seed: Of the weights of a model from scratch.

    Raises:
        InputError: the model cannot be loaded or gives no numbers, or no row has a response token
            within the window.
    """
    from core.model.scoring import score
    from core.model.tokens import tokenize, window

    if s.method == "lora":
        adapters.check_targets(s.model, s.lora_targets)
    model, tokenizer = loading.load(s.model, seed=seed, texts=pool_texts(dataset, s.model))
    template = choose("auto", tokenizer, scratch=loading.is_scratch(s.model))
    tokens = tokenize(workspace, dataset, tokenizer, template)
    loading.check_vocabulary(model, tokens.highest())
    tokens = tokens.cut(window(s.max_length, tokens.full_lengths(), model))
    rows = np.flatnonzero(tokens.response_lengths())
    if not len(rows):
        [(why, _), *_] = by_reason(tokens.untrained())
        raise InputError(f"no row has a response token left; {remedy(why)} ({why})")
    if not np.isfinite(score(model, tokens, rows[:1]).losses).all():
        raise InputError(
            f"{s.model} gives no finite loss on the first row, before any training: its weights "
            "are broken; get the model again, or take another"
        )
    return Checked(model, tokenizer, template, tokens)


def tests_of(workspace: Workspace, dataset: Artifact, s: Settings) -> Tests:
    """Return what to test on; what is imported for this is not kept where it cannot be.

    Raises:
        InputError: there is no such test, no item has an answer, or what it is to be measured with
            is not here.
    """
    before = {e.id for e in workspace.entries("dataset")}
    try:
        test, split = finetune.test_set(workspace, dataset, s.eval)
        more = tuple(load_all(workspace, s.tests))
        check_tests(s, [(test, split), *((one.dataset, "all") for one in more)])
    except InputError:
        for entry in workspace.entries("dataset"):
            if entry.id not in before and entry.state == "sealed":
                workspace.delete(entry.id)
        raise
    return Tests(test, split, more)
