"""What of a study the parts of its page look at."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import streamlit as st

from core.study import items
from core.workspace.artifact import Artifact
from dashboard.frame import state

BY_ITEM = {"balanced_loss": "loss", "coverage": "exact_match", "bleu": "rouge_l"}
"""Measure of a whole test -> what single items are measured by instead."""


class View(NamedTuple):
    """What of a study is looked at."""

    artifact: Artifact
    table: pd.DataFrame
    """Its runs at its own budget, with the scores of `test`."""
    key: str
    """Of METRICS."""
    test: str
    """Key of a test beside the first; empty for that."""


@st.cache_resource(max_entries=8, show_spinner="Reading the items")
def runs_of(id: str, test: str) -> dict[tuple[str, int], pd.DataFrame]:
    """Return the items of a study's runs."""
    return items.by_run(state.workspace().open(id, "study"), test)
