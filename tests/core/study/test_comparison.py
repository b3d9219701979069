"""What a study says of its arms: in words, with its uncertainty, by plan."""

import math

import pandas as pd
import pytest

from core.finetune.metrics import METRICS
from core.study.comparison import (
    as_good,
    compare,
    place_among_random,
    registered,
    sentence,
    verdict,
)

A = [1.159, 1.19, 1.171, 1.204, 1.182]
B = [1.215, 1.201, 1.233, 1.219, 1.196]


def table(**arms):
    """A loss, and the same number as a share of right answers."""
    lines = [
        {"arm": arm, "seed": seed, "rows": 20, "loss": value, "exact_match": value}
        for arm, values in arms.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(lines)


def test_a_difference_that_an_interval_shows():
    assert verdict(table(s2l=A, random=B), "loss") == (
        "S2L is better than random by 0.032 nats (95% interval 0.000 to 0.063, 5 seeds)."
    )
    assert verdict(table(s2l=B, random=A), "loss").startswith("S2L is worse than random by 0.032")
    shares = table(s2l=[0.3, 0.32, 0.31], random=[0.2, 0.21, 0.215])
    assert verdict(shares, "exact_match").startswith("S2L is better than random by 10.2 points")


def test_no_difference_says_what_would_settle_it():
    scored = table(s2l=[1.0, 1.1, 1.05], random=[1.02, 1.04, 1.09])
    said = verdict(scored, "loss")
    assert said.startswith("S2L is not distinguishable from random: difference +0.000 nats, 95%")
    found = compare(scored, "loss", "s2l", "random").test
    assert f"{found.low:+.3f} to {found.high:+.3f}, 3 seeds; 3 seeds could have shown " in said
    assert said.endswith(" would show 0.05.")


@pytest.mark.parametrize(("seeds", "words"), [(1, "one draw each"), (2, "two draws each")])
def test_few_draws_are_no_evidence(seeds, words):
    said = verdict(table(s2l=[0.5, 0.6][:seeds], random=[0.7, 0.8][:seeds]), "loss")
    assert said == f"S2L is 0.200 nats better than random on {words}: a walk-through, not evidence."
    assert verdict(table(s2l=[0.5], random=[0.5]), "loss").startswith("S2L is level with random on")


def test_seeds_are_paired_and_only_shared_ones_count():
    scored = table(s2l=[1.0, 2.0, 3.0, 9.0], random=[1.5, 2.5, 3.5])
    shuffled = scored.sample(frac=1, random_state=0)
    assert compare(shuffled, "loss", "s2l", "random").test[:2] == (3, pytest.approx(-0.5))
    assert compare(scored, "loss", "s2l", "full") is None


def test_a_run_without_a_number_is_named_and_never_dropped():
    scored = table(s2l=[1.0, math.nan, 1.2], random=[1.1, 1.2, 1.3])
    assert verdict(scored, "loss") == (
        "Nothing can be said of S2L and random: s2l seed 1 gave no number, which counts as worst."
    )


def test_p_values_are_from_six_seeds_and_adjusted_for_two_comparisons():
    five = registered(table(s2l=A, random=B), "loss")
    assert [math.isnan(c.p) for c in five] == [True]
    more = table(s2l=[*A, 1.1], random=[*B, 1.2], random_per_source=[*B[::-1], 1.15])
    found = registered(more, "loss")
    assert [c.other for c in found] == ["random", "random_per_source"]
    assert sorted(c.p / c.test.p for c in found)[-1] == pytest.approx(2)
    assert "adjusted for two comparisons" in sentence(found[0], METRICS["loss"])


def test_as_good_as_all_the_data():
    scored = table(s2l=[2.05, 2.07, 2.03, 2.06, 2.04], full=[2.02, 2.03, 2.01, 2.04, 2.0])
    assert as_good(scored, "loss", "s2l", 0.05) == (
        "S2L is as good as all the data within 0.05 nats: at most +0.049 nats worse "
        "(one-sided 95%, p = 0.04; 5 and 5 seeds)."
    )
    assert "is not shown to be as good as" in as_good(scored, "loss", "s2l", 0.03)
    assert as_good(table(s2l=A, full=B[:2]), "loss", "s2l", 0.05) == ""


def test_the_place_among_random_draws():
    few = table(s2l=[0.3], random=[0.31, 0.29])
    assert place_among_random(few, "loss") == (
        "2 random draws give 0.290 to 0.310; 17 more would give S2L a place among them, which a "
        "range is not."
    )
    many = table(s2l=[0.3], random=[0.31, 0.29, 0.3, *[0.4] * 16])
    assert place_among_random(many, "loss") == (
        "Of 19 random draws 2 are at least as good as S2L's first run (p = 0.15)."
    )
    assert place_among_random(table(s2l=[0.3]), "loss") == ""
