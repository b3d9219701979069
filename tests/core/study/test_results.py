"""Statistics of a study: worked examples, scipy, and a plain loop as the second way."""

import itertools
import json
import math
import pathlib
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.study import results

A = [1.159, 1.19, 1.171, 1.204, 1.182]
B = [1.215, 1.201, 1.233, 1.219, 1.196]
GOLDEN = pathlib.Path(__file__).parents[4] / "shared/data/statistics_golden.json"


def test_a_paired_difference():
    found = results.paired_t(A, B)
    assert found[:5] == pytest.approx((5, -0.0316, -0.0628, -0.0004, 0.0483), abs=5e-5)
    assert found.sign_flip_p == 0.0625  # 2 of 2 ** 5
    assert found.p == pytest.approx(stats.ttest_rel(A, B).pvalue)
    apart = results.welch(A, B)
    assert (apart.low, apart.high, apart.p) == pytest.approx((-0.0551, -0.0081, 0.0149), abs=5e-5)


@pytest.mark.parametrize(("n", "known"), [(0, False), (1, False), (2, False), (3, True)])
def test_below_three_seeds_there_is_no_interval(n, known):
    found = results.paired_t(A[:n], B[:n])
    assert math.isfinite(found.low) is math.isfinite(found.p) is known
    assert math.isfinite(found.mean) is (n > 0)


def test_the_interval_of_a_mean():
    low, high = results.mean_interval(A)
    expected = stats.t.interval(0.95, 4, np.mean(A), stats.sem(A))
    assert (low, high) == pytest.approx(expected)
    assert all(map(math.isnan, results.mean_interval(A[:2])))


def test_equal_differences_are_certain():
    assert results.paired_t([1, 2, 3], [0, 1, 2]).p == 0
    assert results.paired_t([1, 2, 3], [1, 2, 3]).p == 1


@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=3, max_size=6))
def test_sign_flips_by_a_plain_loop(d):
    far = [
        abs(math.fsum(s * x for s, x in zip(signs, d, strict=True))) >= abs(math.fsum(d)) - 1e-9
        for signs in itertools.product((1, -1), repeat=len(d))
    ]
    assert results.sign_flip(np.array(d)) == pytest.approx(sum(far) / len(far), abs=1e-9)


def test_as_good_but_for_a_margin():
    ours, full = [2.05, 2.07, 2.03, 2.06, 2.04], [2.02, 2.03, 2.01, 2.04, 2.0]
    found = results.non_inferior(ours, full, 0.05, lower_is_better=True)
    assert found[:3] == pytest.approx((0.03, 0.0486, 0.0403), abs=5e-5)
    assert found.passes
    tight = results.non_inferior(ours, full, 0.03, lower_is_better=True)
    assert (tight.p, tight.passes) == (pytest.approx(0.5), False)
    turned = results.non_inferior(
        [-x for x in ours], [-x for x in full], 0.05, lower_is_better=False
    )
    assert turned == pytest.approx(found)


def test_the_place_among_random_draws():
    draws = [0.31, 0.29, 0.3, *[0.4] * 16]
    assert results.p_of_draws(0.3, draws, lower_is_better=True) == pytest.approx(0.15)
    assert results.p_of_draws(0.3, draws[:18], lower_is_better=True) is None
    assert results.p_of_draws(0.3, draws, lower_is_better=False) == pytest.approx(19 / 20)


def test_shares_of_right_answers():
    assert results.mcnemar(30, 20) == pytest.approx(0.203, abs=5e-4)
    assert results.mcnemar(0, 0) == 1
    found = results.accuracies(81, 89, 306)
    assert found == pytest.approx((2.61, 7.1, 0.47, 0.53), abs=0.03)
    assert results.accuracies(0, 0, 5).p == 1


@pytest.mark.parametrize(("effect", "seeds"), [(0.1, 4), (0.05, 8), (0.02, 34), (0.01, 128)])
def test_seeds_that_find_an_effect(effect, seeds):
    assert results.seeds_for_effect(effect, 0.04) == seeds
    assert results.power_of(effect, 0.04, seeds) >= 0.8 > results.power_of(effect, 0.04, seeds - 1)
    assert results.seeds_for_effect(1e-6, 0.04) is None


@pytest.mark.parametrize(("seeds", "effect"), [(3, 0.131), (5, 0.067), (10, 0.04), (20, 0.026)])
def test_the_smallest_effect_that_is_found(seeds, effect):
    assert results.smallest_effect(0.04, seeds) == pytest.approx(effect, abs=5e-4)


def test_power_by_simulation():
    rng = np.random.default_rng(0)
    d = rng.normal(0.05, 0.04, (20_000, 5))
    t = d.mean(1) / (d.std(1, ddof=1) / math.sqrt(5))
    found = (abs(t) > stats.t.ppf(0.975, 4)).mean()
    assert results.power_of(0.05, 0.04, 5) == pytest.approx(found, abs=0.015)


def test_holm():
    assert results.holm([0.01, 0.04]) == pytest.approx([0.02, 0.04])
    assert results.holm([0.03, 0.02]) == pytest.approx([0.04, 0.04])
    assert results.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert results.holm([]) == []


def test_by_chance():
    apart = [results.ranges_apart_by_chance(n) for n in (2, 3, 5)]
    assert apart == pytest.approx([0.3333, 0.1, 0.0079], abs=5e-5)


def test_the_bootstrap_has_the_width_of_the_formula():
    """With one seed it is that of the mean of the items; seeds that differ widen it."""
    rng = np.random.default_rng(1)
    items = rng.normal(0.1, 1, (1, 1, 400))
    [[low, high]] = results.bootstrap(items)
    error = items.std() / math.sqrt(400)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.05)
    assert (low + high) / 2 == pytest.approx(items.mean(), abs=error / 5)
    seeds = items + rng.normal(0, 1, (1, 5, 1))
    [[low, high]] = results.bootstrap(seeds)
    assert (high - low) / 2 > 3 * 1.96 * error
    assert (results.bootstrap(seeds) == results.bootstrap(seeds)).all()


def test_the_bootstrap_is_quick_enough_for_a_page():
    differences = np.random.default_rng(0).normal(size=(8, 5, 1_319))
    began = time.process_time()
    assert results.bootstrap(differences).shape == (8, 2)
    assert time.process_time() - began < 20  # about 1 s; a loop over draws takes minutes


@pytest.mark.skipif(not GOLDEN.exists(), reason="the worked examples are not here")
def test_the_worked_examples():
    golden = json.loads(GOLDEN.read_text())
    draws = golden["p_of_draws"]
    found = results.p_of_draws(draws["ours"], draws["draws"], lower_is_better=True)
    assert found == pytest.approx(draws["p"])
    paired = results.paired_t(golden["paired_t"]["a"], golden["paired_t"]["b"])
    for key in ("mean", "low", "high", "p"):
        assert getattr(paired, key) == pytest.approx(golden["paired_t"][key], abs=5e-5)
    g = golden["non_inferior"]
    for margin in (0.05, 0.03):
        test = results.non_inferior(g["selection"], g["full"], margin, lower_is_better=True)
        assert test.passes is g[f"margin_{margin}"]["passes"]
        assert test.p == pytest.approx(g[f"margin_{margin}"]["p"], abs=5e-5)
