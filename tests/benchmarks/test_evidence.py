import json
import pathlib

import numpy as np
import pytest

from benchmarks import evidence
from benchmarks.experiments import pilot, pools, scores
from benchmarks.experiments.runs import WARM, Lab, Regime, means
from benchmarks.experiments.settings import PLANS, REGIME
from core.study.results import paired_t

QUICK = Regime(WARM, 2)


def test_every_experiment_says_beforehand_what_it_asks_expects_and_calls_a_pass():
    assert set(evidence.RUNS) | {"purity"} == set(PLANS)
    for plan in PLANS.values():
        assert all((plan.question, plan.expected, plan.passes, plan.reduced))
    seeds = {s for name, p in PLANS.items() for s in p.pools}
    assert pilot.POOL not in seeds
    assert {"base": REGIME.base, "steps": REGIME.steps}.items() <= _kept("pilot").items()


def _kept(name):
    path = pathlib.Path(evidence.__file__).parents[1] / "docs" / "evidence" / f"{name}.json"
    return json.loads(path.read_text())["result"]["chosen"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Lab(tmp_path_factory.mktemp("lab"), QUICK)


@pytest.fixture(scope="module")
def wrong(lab):
    return lab.made("planted", 0, 0.2)


def test_a_share_of_the_pools_answers_is_wrong_and_none_of_the_tests(wrong):
    assert wrong.wrong[wrong.pool].mean() == pytest.approx(0.2, abs=0.001)
    assert not wrong.wrong[wrong.test].any()
    assert set(np.unique(wrong.kinds[wrong.test], return_counts=True)[1]) == {5}


def test_a_pool_that_was_made_is_opened_again(lab, wrong):
    assert pools.make(lab.folder / "pools", "planted", 0, 0.2).dataset == wrong.dataset


@pytest.mark.usefixtures("quick")
def test_a_target_is_trained_once_and_its_loss_is_a_mean_over_kinds(lab, wrong, monkeypatch):
    rows = wrong.pool[:20]
    first = lab.test_loss(wrong, rows, 0)
    monkeypatch.setattr("benchmarks.experiments.runs.train", None)
    assert lab.test_loss(wrong, rows, 0) == first
    assert means(wrong, first)["loss"] == pytest.approx(np.mean(list(first.values())))
    with pytest.raises(TypeError):
        lab.test_loss(wrong, rows, 1)


def test_the_pilot_takes_the_smallest_spread_that_learned_and_is_not_over_fitted():
    def line(base, steps, mean, sd, untuned=2.0):
        return {"base": base, "steps": steps, "mean": mean, "sd_of_pairs": sd, "untuned": untuned}

    lines = [line("warm", 1, 1.95, 0.01), line("warm", 2, 1.5, 0.05), line("warm", 4, 1.6, 0.02)]
    assert pilot.chosen(lines)["steps"] == 2


def test_arms_are_compared_in_pairs_of_pool_and_seed():
    import pandas as pd

    rng = np.random.default_rng(0)
    lines = [
        {"pool": p, "share": 0.1, "seed": s, "arm": a, "loss": rng.random()}
        for p in "xy"
        for s in range(3)
        for a in ("s2l", "random")
    ]
    table = pd.DataFrame(lines).sample(frac=1, random_state=0)
    found = scores.paired(table, "s2l", "random")
    ours, theirs = ([one["loss"] for one in lines if one["arm"] == a] for a in ("s2l", "random"))
    assert found["n"] == 6
    assert found["low"] == pytest.approx(paired_t(ours, theirs).low)


def test_the_last_line_has_no_values_of_single_runs():
    told = evidence.brief({"losses": [0.123456] * 9, "mean": 0.123456, "pools": [{"p": 1.0}]})
    assert told == {"mean": 0.1235, "pools": [{"p": 1.0}]}
