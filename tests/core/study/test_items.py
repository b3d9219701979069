"""Items of a study: paired over arms, and where the arms disagree."""

import numpy as np
import pandas as pd
import pytest

from core.finetune.metrics import measure
from core.study import items


def run(losses, right):
    ids = [f"i{n}" for n in range(len(losses))]
    return pd.DataFrame({"id": ids, "loss": losses, "right": right}).set_index("id")


def test_the_interval_pairs_items_and_seeds():
    rng = np.random.default_rng(0)
    hard = rng.normal(2, 1, 300)  # the items differ far more than the arms
    runs = {
        ("s2l", seed): run(hard - 0.1 + rng.normal(0, 0.05, 300), [True] * 300) for seed in range(3)
    } | {("random", seed): run(hard, [n % 2 == 0 for n in range(300)]) for seed in range(3)}
    found = items.interval(runs, "loss", "s2l", "random")
    assert (found.items, found.seeds) == (300, 3)
    assert found.mean == pytest.approx(-0.1, abs=0.01)
    assert found.low < found.mean < found.high < -0.08
    share = items.interval(runs, "exact_match", "s2l", "random")
    assert share.mean == pytest.approx(50)
    assert 42 < share.low < 50 < share.high < 58


def test_only_shared_seeds_and_measured_items_count():
    one = run([1.0, np.nan, 3.0], [True, None, False])
    runs = {("s2l", 0): one, ("s2l", 1): one, ("random", 1): one.iloc[[0, 1]]}
    found = items.interval(runs, "loss", "s2l", "random")
    assert (found.items, found.seeds, found.mean) == (1, 1, 0.0)
    assert items.interval(runs, "loss", "s2l", "full") is None
    assert (
        items.interval({("s2l", 0): one, ("random", 0): one.iloc[[1]]}, "loss", "s2l", "random")
        is None
    )


def test_a_finished_study_keeps_its_items(finished):
    study = finished.workspace.open(finished.study)
    runs = items.by_run(study)
    assert len(runs) == len(items.table_of(study))
    lines = items.table_of(study).set_index(["arm", "seed"])
    for key, kept in runs.items():
        line = lines.loc[key]
        again = measure(kept.reset_index())
        assert again["exact_match"] == pytest.approx(line["exact_match"])
        assert again["loss"] == pytest.approx(line["loss"])
    seed = int(lines.index[0][1])
    apart = items.disagreements(study, seed)
    verdicts = {arm: dict(kept["right"].dropna()) for (arm, s), kept in runs.items() if s == seed}
    expected = {
        id for id in next(iter(verdicts.values())) if len({v[id] for v in verdicts.values()}) == 2
    }
    assert set(apart.get("id", [])) == expected


def test_items_that_only_one_arm_has_right():
    a = run([1.0] * 60, [True] * 30 + [False] * 20 + [True] * 10)
    b = run([1.0] * 60, [False] * 30 + [True] * 20 + [True] * 10)
    [found] = items.discordant({("s2l", 3): a, ("random", 3): b}, "s2l", "random")
    assert found[:4] == (3, 60, 30, 20)
    assert found.p == pytest.approx(0.203, abs=1e-3)
    assert found.agreement == pytest.approx(10 / 60)
    assert found.beyond_chance < 0, "they agree less than by chance"
    alike = items.discordant({("s2l", 0): a, ("random", 0): a}, "s2l", "random")
    assert (alike[0].p, alike[0].beyond_chance) == (1, 1)
    all_right = run([1.0], [True])
    [one] = items.discordant({("s2l", 0): all_right, ("random", 0): all_right}, "s2l", "random")
    assert np.isnan(one.beyond_chance)
    assert items.discordant({("s2l", 0): a, ("random", 1): b}, "s2l", "random") == []


def test_groups_are_means_over_items_then_seeds():
    runs = {
        ("s2l", 0): run([1.0, 3.0, 5.0], [True, False, None]),
        ("s2l", 1): run([2.0, 4.0, np.nan], [True, True, None]),
        ("random", 0): run([1.0, 1.0, 1.0], [False, False, None]),
    }
    groups = pd.Series({"i0": "a", "i1": "a", "i2": "b"})
    losses = items.by_group(runs, "loss", groups)
    assert losses.index.tolist() == ["a", "b"]
    assert losses["items"].tolist() == [2, 1]
    assert losses["s2l"].tolist() == [2.5, 5.0]
    assert losses["random"].tolist() == [1.0, 1.0]
    right = items.by_group(runs, "exact_match", groups)
    assert right.loc["a", ["s2l", "random"]].tolist() == [0.75, 0.0]
    assert right.index.tolist() == ["a"]
