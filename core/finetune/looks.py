"""What a fine-tune looks at while it trains: the same held-out rows in every run, three prompts.

Where looks decide something (early stopping, the best weights), rows of the pool's holdout are
taken if the test is another set, so that the test stays untouched.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.dataset.privacy import is_private
from core.errors import InputError
from core.finetune.generate import Answered, generate, questions, renders
from core.finetune.held_out import held_out, title_of
from core.finetune.kept_answers import without_texts
from core.finetune.settings import LOOK_PROMPTS, LOOK_TOKENS, looks_every
from core.jobs.progress import say
from core.model.templates import renderer
from core.model.tokens import Tokens
from core.training.watch import Watch

if TYPE_CHECKING:
    from core.finetune.finish import Ready


def watch(ready: Ready, folder: pathlib.Path) -> tuple[Watch | None, str]:
    """Return what a run in a folder looks at, and what a summary says of it.

    Raises:
        InputError: looks are to decide something, and there are none or nothing to look at.
    """
    s, dataset = ready.settings, ready.selection.ancestor("dataset")
    decides = s.patience > 0 or s.keep == "best"
    every = looks_every(ready.recipe.steps, s.eval_every, needed=decides)
    if decides and not every:
        raise InputError("--patience and --keep best need looks; leave --eval-every 0 away")
    keep = (s.keep_every, lambda step: ready.save(folder / "kept" / f"step-{step}"))
    held = None
    template, max_length = ready.read.template, ready.read.tokens.max_length
    if every:
        held = held_out(ready.workspace, ready.test, dataset, ready.tokenizer, template, max_length)
        if held is None and decides:
            raise InputError(
                "--patience and --keep best need held-out rows with a response, and neither the "
                "test set nor the dataset's holdout has one; leave them away"
            )
    if held is None:
        if not s.keep_every:
            return None, ""
        rows = np.zeros(0, np.int64)
        empty = Tokens(np.zeros(0, np.uint32), rows, np.zeros((0, 2), np.int64), rows, max_length)
        return Watch(tokens=empty, rows=rows, every=0, keep=keep), ""
    drawn = held.items.iloc[: s.eval_rows]
    of = f"{len(drawn):,} of {len(held.items):,} held-out rows ({held.title})"
    say(f"looking every {every:,} steps at {of}")
    if decides and held.title == title_of(*ready.test):
        of += ", which are in the test: its score is not untouched"
    watched = Watch(
        tokens=held.tokens,
        rows=np.sort(drawn["row"].to_numpy()),
        every=every,
        answers=_answering(ready, drawn),
        patience=s.patience,
        best=s.keep == "best",
        precision=s.precision,
        keep=keep,
    )
    return watched, of


def _answering(ready: Ready, drawn: pd.DataFrame) -> Callable[[], list[dict[str, Any]]]:
    """Return what asks the model the first items that the template can render."""
    tokenizer, render = ready.tokenizer, renderer(ready.read.template, ready.tokenizer)
    private = is_private(ready.selection.ancestor("dataset")) or is_private(ready.test[0])
    asked = [
        (entry, talk)
        for entry in drawn.to_dict("records")
        if renders(render, talk := questions(entry["messages"]))
    ][:LOOK_PROMPTS]

    def answers() -> list[dict[str, Any]]:
        written: list[Answered] = []
        with ready.pace.writing(
            lambda: max((len(tokenizer(a.text)["input_ids"]) for a in written), default=1)
        ):
            written += generate(
                ready.model,
                tokenizer,
                render,
                [talk for _, talk in asked],
                max_length=ready.read.tokens.max_length,
                max_new=LOOK_TOKENS,
                quiet=True,
            )
        records = [
            {"id": e["id"], "prompt": e["prompt"], "answer": e["answer"], "said": one.text}
            for (e, _), one in zip(asked, written, strict=True)
        ]
        return without_texts(records) if private else records

    return answers
