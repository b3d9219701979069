"""What the page says of a finished fine-tune."""

from __future__ import annotations

import types

import pytest
import streamlit as st

from dashboard.finetune import result
from dashboard.finetune.result import training_took, without_overlap

SCORES = {"items": 306, "exact_match": 0.0, "right": 0, "decoded": 4, "coverage": 0.0}
CLEAN = {"clean_items": 236, "clean_exact_match": 0.5, "clean_right": 1, "clean_decoded": 2}


@pytest.mark.parametrize(
    ("key", "scores", "told"),
    [
        ("exact_match", SCORES | CLEAN, "50.0% (1 of 2)"),
        ("coverage", SCORES | CLEAN, "none left"),
        ("exact_match", SCORES, "no overlap"),
    ],
)
def test_a_score_without_overlap_stands_on_its_own_items(key, scores, told):
    assert without_overlap(key, scores) == told


def test_what_the_training_took_stands_beside_what_was_foretold():
    assert training_took({}) == ""
    assert training_took({"train_seconds": 61.0}) == ", the training 1 min 1 s of it"
    foretold = {"train_seconds": 61.0, "train_forecast": [40.0, 70.2]}
    assert training_took(foretold).endswith("1 min 1 s of it (40 s to 1 min 10 s foretold)")


@pytest.mark.parametrize(
    ("rows", "address"), [([1], {"selection": "s", "finetune": "b"}), ([], {})]
)
def test_a_chosen_line_opens_its_run(rows, address, monkeypatch):
    runs = [types.SimpleNamespace(id=id, parents={"selection": "s"}) for id in "ab"]
    monkeypatch.setattr(st, "session_state", {result.TABLE: {"selection": {"rows": rows}}})
    monkeypatch.setattr(st, "query_params", found := {})
    result.open_chosen(runs)
    assert found == address
