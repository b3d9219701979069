"""Questions to ask: a row of the test set, the next one with each press."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from core.errors import InputError
from core.finetune.evaluate import load_items
from core.finetune.generate import questions
from core.workspace.artifact import Artifact
from dashboard.chat.conversation import Round
from dashboard.frame import state

KEPT = 200
"""Test rows that a browser may be given, drawn once."""


@st.cache_data(max_entries=8, show_spinner=False)
def _items(test: str, split: str) -> list[tuple[list[dict[str, Any]], str]]:
    """Return test questions with the answer expected, in an order drawn once."""
    try:
        items = load_items(state.workspace().open(test, "dataset"), split)
    except InputError:
        return []
    order = np.random.default_rng(0).permutation(len(items))[:KEPT]
    asked = [questions(items["messages"].iloc[i]) for i in order]
    golds = [str(items["answer"].iloc[i] or "") for i in order]
    return [(turns, gold) for turns, gold in zip(asked, golds, strict=True) if turns]


def next_question(made: Artifact, seed: int) -> Round | None:
    """Return the next question of the fine-tune's test set; None where it has none."""
    test = made.parents["test"]
    split = "holdout" if test == made.ancestor("dataset").id else "all"
    items = _items(test, split)
    if not items:
        return None
    key = f"chat:next:{made.id}"
    at = st.session_state.get(key, 0)
    st.session_state[key] = at + 1
    turns, gold = items[at % len(items)]
    return Round(turns, gold, seed)
