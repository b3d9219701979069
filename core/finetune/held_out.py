"""The held-out rows that are looked at while a model trains: the same in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from core.dataset.artifact import DatasetSummary
from core.finetune.evaluate import SAMPLE_SEED, load_items
from core.model.tokens import Tokens, tokenize
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class HeldOut(NamedTuple):
    """Rows that no run of this dataset and test trains on."""

    title: str
    tokens: Tokens
    items: pd.DataFrame
    """Those with a response that the model sees, in the order in which they are drawn."""


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
            return HeldOut(title_of(data, split), tokens, items.iloc[order])
    return None


def title_of(dataset: Artifact, split: str) -> str:
    """Return what a dataset's rows are called that are looked at."""
    return f"{dataset.name}, {'held-out rows' if split == 'holdout' else 'all rows'}"
