"""Gains are plain scores of two models on rows that stand for the pool."""

import typing

import numpy as np
import pytest

from core import gains
from core.finetune.trained import load_base, load_trained
from core.model.scoring import score
from core.model.tokens import tokenize
from core.selection.artifact import load_rows


@pytest.fixture(scope="module")
def measured(finished):
    id = gains.run(finished.workspace, gains.Settings(finetune=finished.finetune, rows=70))
    return finished.workspace.open(id, "gains")


def test_each_row_has_the_losses_of_both_models(finished, measured):
    made = finished.workspace.open(finished.finetune)
    rows = gains.load(measured)
    at = rows["row"].to_numpy()
    base, tokenizer = load_base(made)
    dataset = made.ancestor("dataset")
    tokens = tokenize(finished.workspace, dataset, tokenizer, "plain").cut(64)
    before = score(base, tokens, at).losses
    after = score(load_trained(made)[0], tokens, at).losses
    assert rows["before"].to_numpy() == pytest.approx(before, abs=1e-5)
    assert rows["after"].to_numpy() == pytest.approx(after, abs=1e-5)
    assert np.abs(before - after).max() > 0.01
    selected = load_rows(made.ancestor("selection"))
    assert rows["trained"].tolist() == [r in set(selected.tolist()) for r in at]
    labels = np.load(made.ancestor("clusters").path / "labels.npy")
    assert rows["cluster"].tolist() == labels[at].tolist()


def test_the_summary_says_its_denominator_and_counts_the_pool_once(finished, measured):
    s = measured.summary_as(gains.GainsSummary)
    assert set(s) == set(typing.get_type_hints(gains.GainsSummary))
    rows = gains.load(measured)
    assert (s["rows"], s["pool"], s["groups"]) == (70, finished.pool, "clusters")
    assert s["trained"] == rows["trained"].sum()
    assert rows["weight"].sum() == pytest.approx(finished.pool)
    assert set(rows["cluster"]) == set(range(-1, 6)) - ({-1} - set(rows["cluster"]))
    by_hand = sum(w * x for w, x in zip(rows["weight"], rows["after"], strict=True)) / finished.pool
    assert s["after"] == pytest.approx(by_hand, abs=1e-5)


def test_measured_once_is_enough_and_all_rows_can_be(finished, measured):
    workspace = finished.workspace
    again = gains.Settings(finetune=finished.finetune, rows=70)
    assert gains.run(workspace, again) == measured.id
    whole = gains.Settings(finetune=finished.finetune, rows=10_000)
    made = workspace.open(gains.run(workspace, whole), "gains")
    assert made.summary["rows"] == finished.pool
    assert set(gains.load(made)["weight"]) == {1.0}
    assert gains.of(workspace, finished.finetune).id == made.id
    assert gains.of(workspace, "nobody") is None
