"""Rows as a model will read them: what is shown is what is trained."""

import dataclasses

import numpy as np
import pytest

from core.finetune.preview import positions_of, preview
from core.finetune.settings import Settings
from core.model import loading
from tests.conftest import TUNE


@pytest.fixture(scope="module")
def settings(finished):
    return Settings(selection=finished.selection, **TUNE)


@pytest.fixture(scope="module")
def shown(finished, settings):
    return preview(finished.workspace, settings)


def test_it_shows_the_rows_that_the_run_trains_on(finished, shown):
    made = finished.workspace.open(finished.finetune, "finetune")
    assert len(shown.read.rows) == made.summary["rows"]
    trained = shown.read.tokens.response_lengths()[shown.read.rows].sum()
    assert trained == made.summary["response_tokens"]
    assert shown.read.tokens.max_length == made.config["max_length"]


def test_the_end_of_a_turn_is_trained_where_it_is_not_cut(shown):
    assert shown.end == "<|end|>"
    whole = shown.read.tokens.full_lengths()[shown.read.rows] <= 64
    np.testing.assert_array_equal(shown.ended[whole], True)
    assert f"{shown.ended.sum():,} of {len(shown.read.rows):,}" in shown.facts()


def test_every_row_is_shown_whole_and_in_its_parts(shown):
    lengths = shown.read.tokens.response_lengths()
    for row in shown.read.rows[:10].tolist():
        parts = shown.pieces(row)
        ids, mask = shown.read.tokens.row(row)
        trained = "".join(p.text for p in parts if p.role == "trained")
        expected = shown.tokenizer.decode(ids[mask])
        assert trained.strip() == expected.strip()
        assert lengths[row] > 0
        assert any(p.role == "read" for p in parts)


def test_cut_rows_are_counted_and_struck_through(finished, settings):
    short = preview(finished.workspace, dataclasses.replace(settings, max_length=24))
    assert len(short.cut) > 0
    assert f"{len(short.cut):,} cut at 24 tokens" in short.facts()
    row = int(np.intersect1d(short.cut, short.read.rows)[0])
    assert "cut" in {p.role for p in short.pieces(row)}


def test_the_longest_input_is_read_without_the_weights(tmp_path):
    model, _ = loading.load("scratch:tiny", seed=0, texts=["a b c"])
    model.config.save_pretrained(tmp_path)
    assert positions_of("scratch:tiny") == loading.positions(model)
    assert positions_of(str(tmp_path)) == loading.positions(model)
    assert positions_of(f"shrink:{tmp_path}:1") == loading.positions(model)
