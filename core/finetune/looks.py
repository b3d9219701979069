"""What a fine-tune looks at while it trains: the same held-out rows in every run, three prompts.

Where looks decide something (early stopping, the best weights), rows of the pool's holdout are
taken if the test is another set, so that the test stays untouched.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from core.dataset.artifact import DatasetSummary
from core.dataset.privacy import is_private
from core.errors import InputError
from core.finetune.evaluate import SAMPLE_SEED, load_items
from core.finetune.generate import Answered, generate, questions, renders
from core.finetune.kept_answers import without_texts
from core.finetune.settings import Settings, looks_every
from core.finetune.time_after import Pace
from core.jobs.progress import say
from core.model.templates import renderer
from core.model.tokens import Tokens, tokenize
from core.training.watch import Watch
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PROMPTS = 3
ANSWER = 64
"""Tokens of an answer at a look, at most."""


class HeldOut(NamedTuple):
    """Rows that no run of this dataset and test trains on."""

    title: str
    tokens: Tokens
    items: pd.DataFrame
    """Those with a response that the model sees, in the order in which they are drawn."""


def watch(
    workspace: Workspace,
    s: Settings,
    steps: int,
    test: tuple[Artifact, str],
    dataset: Artifact,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    max_length: int,
    save: Callable[[pathlib.Path], None],
    folder: pathlib.Path,
    pace: Pace,
) -> tuple[Watch | None, str]:
    """Return what to look at, and what a summary says of it.

    Args:
        test: The dataset tested on, and which of its rows.
        dataset: That the training rows are from.
        max_length: Longest input, in tokens.
        save: Writes model and tokenizer into a folder, to be loaded as they are.
        pace: Told what the answers take.

    Raises:
        InputError: looks are to decide something, and there are none or nothing to look at.
    """
    decides = s.patience > 0 or s.keep == "best"
    every = looks_every(steps, s.eval_every, needed=decides)
    if decides and not every:
        raise InputError("--patience and --keep best need looks; leave --eval-every 0 away")
    keep = (s.keep_every, lambda step: save(folder / "kept" / f"step-{step}"))
    rows = np.zeros(0, np.int64)
    held = None
    if every:
        held = held_out(workspace, test, dataset, tokenizer, template, max_length)
        if held is None and decides:
            raise InputError(
                "--patience and --keep best need held-out rows with a response, and neither the "
                "test set nor the dataset's holdout has one; leave them away"
            )
    if held is None:
        if not s.keep_every:
            return None, ""
        empty = Tokens(np.zeros(0, np.uint32), rows, np.zeros((0, 2), np.int64), rows, max_length)
        return Watch(tokens=empty, rows=rows, every=0, keep=keep), ""
    drawn = held.items.iloc[: s.eval_rows]
    render = renderer(template, tokenizer)
    asked = [
        (entry, talk)
        for entry in drawn.to_dict("records")
        if renders(render, talk := questions(entry["messages"]))
    ][:PROMPTS]

    def answers() -> list[dict[str, Any]]:
        said: list[Answered] = []
        with pace.writing(
            lambda: max((len(tokenizer(a.text)["input_ids"]) for a in said), default=1)
        ):
            said += generate(
                model,
                tokenizer,
                render,
                [talk for _, talk in asked],
                max_length=max_length,
                max_new=ANSWER,
                quiet=True,
            )
        records = [
            {"id": e["id"], "prompt": e["prompt"], "answer": e["answer"], "said": one.text}
            for (e, _), one in zip(asked, said, strict=True)
        ]
        return without_texts(records) if private else records

    private = is_private(dataset) or is_private(test[0])

    of = f"{len(drawn):,} of {len(held.items):,} held-out rows ({held.title})"
    say(f"looking every {every:,} steps at {of}")
    if decides and held.title == _title(*test):
        of += ", which are in the test: its score is not untouched"
    watched = Watch(
        tokens=held.tokens,
        rows=np.sort(drawn["row"].to_numpy()),
        every=every,
        answers=answers,
        patience=s.patience,
        best=s.keep == "best",
        precision=s.precision,
        keep=keep,
    )
    return watched, of


def held_out(
    workspace: Workspace,
    test: tuple[Artifact, str],
    dataset: Artifact,
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    max_length: int,
) -> HeldOut | None:
    """Return held-out rows in a fixed order: of the pool's holdout, else of the test; None if none.

    Rows without a response, or with none left within `max_length`, are no use.
    """
    held_out = dataset.summary_as(DatasetSummary).get("holdout_rows")
    places = [(dataset, "holdout")] if held_out else []
    for data, split in [*places, test]:
        items = load_items(data, split)
        tokens = tokenize(workspace, data, tokenizer, template).cut(max_length)
        items = items[tokens.response_lengths()[items["row"].to_numpy()] > 0]
        if len(items):
            order = np.random.default_rng(SAMPLE_SEED).permutation(len(items))
            return HeldOut(_title(data, split), tokens, items.iloc[order])
    return None


def _title(dataset: Artifact, split: str) -> str:
    return f"{dataset.name}, {'held-out rows' if split == 'holdout' else 'all rows'}"
