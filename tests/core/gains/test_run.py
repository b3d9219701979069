"""Gains are plain scores of two models on rows that stand for the pool."""

import typing

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import gains
from core.finetune.trained import load_base, load_trained
from core.gains.statistics import LEAST, by_group, draw
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


def test_groups_are_described_as_by_hand():
    rows = pd.DataFrame(
        {
            "cluster": [0, 0, 0, 1],
            "trained": [True, False, False, True],
            "before": [2.0, 3.0, 4.0, 1.0],
            "after": [1.0, 3.0, 3.5, 1.5],
        }
    )
    zero, one = by_group(rows, "cluster").to_dict("records")
    # changes -1, 0, -0.5: mean -0.5, sd 0.5, t(0.975, 2) = 4.302653, half width 1.242069
    assert (zero["rows"], zero["trained"], zero["unseen"]) == (3, 1, 2)
    assert [zero["change"], zero["low"], zero["high"]] == pytest.approx(
        [-0.5, -1.742069, 0.742069], abs=1e-5
    )
    assert zero["improved"] == pytest.approx(2 / 3)
    assert zero["unseen_change"] == pytest.approx(-0.25)
    assert (one["change"], one["unseen"]) == (0.5, 0)
    assert np.isnan([one["low"], one["unseen_change"]]).all()


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=200),
    st.integers(1, 250),
    st.integers(0, 3),
)
def test_a_draw_has_some_of_every_group_and_stands_for_all(groups, n, seed):
    chosen, weights = draw(groups, n, seed)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    held = np.asarray(groups)[chosen]
    sizes = {g: groups.count(g) for g in set(groups)}
    assert len(chosen) == min(max(n, len(sizes)), len(groups))
    for group, size in sizes.items():
        taken = int((held == group).sum())
        assert taken >= min(size, LEAST, max(1, n // len(sizes)))
        assert weights[held == group].sum() == pytest.approx(size)
    again = draw(groups, n, seed)[0]
    assert chosen.tolist() == again.tolist()
