"""What a study says of its arms: in words, with its uncertainty, by plan."""

import math

import pandas as pd
import pytest

from core.finetune.metrics import METRICS
from core.study.comparison import (
    as_good,
    by_chance,
    in_short,
    missing_draws,
    place_among_random,
    ranges,
    sentence,
    verdict,
)
from core.study.pairs import compare, exploratory, failed_runs, registered

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


def test_the_short_answer_is_plain_and_says_no_more_than_the_interval():
    def short(**arms):
        return in_short(registered(table(**arms), "loss")[0], METRICS["loss"])

    other = "a random draw of the same size"
    assert short(s2l=A, random=B) == f"The selection did better than {other}."
    assert short(s2l=B, random=A) == f"The selection did worse than {other}."
    open_ = f"The selection was not shown to be better or worse than {other}."
    assert short(s2l=[1.0, 1.1, 1.05], random=[1.02, 1.04, 1.09]) == open_
    assert short(s2l=[1.0] * 3, random=[1.0] * 3) == open_
    assert (
        short(s2l=A[:1], random=B[:1])
        == f"One training each cannot tell the selection from {other}."
    )
    assert "failed" in short(s2l=[1.0, math.nan, 1.1], random=B[:3])


def test_all_right_or_all_wrong_is_no_certainty():
    same = verdict(table(s2l=[1.0] * 3, random=[1.0] * 3), "exact_match")
    assert same == (
        "S2L and random score the same in each of 3 seeds: no interval can be made of that."
    )
    assert verdict(table(s2l=[1.0] * 3, random=[0.0] * 3), "exact_match") == (
        "S2L is 100.0 points better than random in each of 3 seeds, the same every time: no "
        "interval can be made of that."
    )


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
        "S2L is as good as all the data within 0.05 nats: at most 0.049 nats worse "
        "(one-sided 95%, p = 0.04; 5 and 5 seeds)."
    )
    assert "is not shown to be as good as" in as_good(scored, "loss", "s2l", 0.03)
    assert as_good(table(s2l=A, full=B[:2]), "loss", "s2l", 0.05) == ""
    same = table(random=[2.05, 2.07, 2.03, 2.06, 2.04], full=[2.02, 2.03, 2.01, 2.04, 2.0])
    assert as_good(same, "loss", "random", 0.05).startswith("Random is as good as all the data")
    better = table(s2l=[1.0, 1.01, 1.02], full=[2.02, 2.03, 2.01])
    assert "is as good as all the data within 0.05 nats: at least 0.99" in as_good(
        better, "loss", "s2l", 0.05
    )
    gone = table(s2l=[2.05, math.nan, 2.03], full=[2.02, 2.03, 2.01])
    assert as_good(gone, "loss", "s2l", 0.05) == (
        "S2L is not shown to be as good as all the data: s2l seed 1 gave no number, which counts "
        "as worst."
    )


def test_the_place_among_random_draws():
    few = table(s2l=[0.3], random=[0.31, 0.29])
    assert place_among_random(few, "loss") == (
        "2 random draws gave 0.290 to 0.310. 17 more would show how many random draws are as "
        "good as S2L."
    )
    many = table(s2l=[0.3], random=[0.31, 0.29, 0.3, *[0.4] * 16])
    assert place_among_random(many, "loss") == (
        "Of 19 random draws 2 are at least as good as S2L's first run (p = 0.15)."
    )
    assert place_among_random(table(s2l=[0.3]), "loss") == ""
    assert missing_draws(few) == 17
    assert missing_draws(many) == 0


def test_how_long_more_draws_take_is_as_the_runs_so_far():
    few = table(s2l=[0.3], random=[0.31, 0.29]).assign(seconds=120.0)
    assert "17 more (about 34 min) would show" in place_among_random(few, "loss")
    scored = table(s2l=[1.0, 1.1, 1.05], random=[1.02, 1.04, 1.09]).assign(seconds=600.0)
    found = compare(scored, "loss", "s2l", "random")
    assert found.seconds == 1200
    assert sentence(found, METRICS["loss"]).endswith(
        "would show 0.05 (about 3 h more for these two)."
    )


def test_a_failed_run_counts_as_worst_among_draws():
    ours = table(s2l=[math.nan], random=[0.3, *[0.4] * 18])
    assert "Of 19 random draws 19 are at least as good" in place_among_random(ours, "loss")
    draws = table(s2l=[0.5], random=[math.nan, *[0.4] * 18])
    assert "Of 19 random draws 18 are at least as good" in place_among_random(draws, "loss")
    shares = table(s2l=[0.5], random=[math.nan, *[0.4] * 18])
    assert "Of 19 random draws 0 are" in place_among_random(shares, "exact_match")
    few = table(s2l=[0.3], random=[0.31, math.nan])
    assert "1 random draw gave 0.310 (1 failed, which counts as worst). 17 more" in (
        place_among_random(few, "loss")
    )


def test_arms_that_differ_less_than_two_evaluations_are_tied():
    scored = table(s2l=[0.300, 0.310, 0.320], random=[0.301, 0.308, 0.320])
    found = compare(scored, "exact_match", "s2l", "random", noise=0.004)
    assert found.tied
    assert sentence(found, METRICS["exact_match"]) == (
        "S2L and random are tied: they differ by 0.0 points over 3 seeds, and two evaluations of "
        "one model by 0.4."
    )
    assert "are tied" not in verdict(scored, "exact_match")
    one = compare(table(s2l=[0.31], random=[0.308]), "exact_match", "s2l", "random", noise=0.004)
    assert sentence(one, METRICS["exact_match"]).startswith("S2L is level with random on one draw")


def test_shares_differ_by_chance():
    scored = table(s2l=[81 / 306], random=[89 / 306]).assign(decoded=306, right=[81, 89])
    assert by_chance(scored, "exact_match", "s2l", "random") == (
        "S2L has 81 and random 89 of 306 items right (seed 0): -2.6 points, and two shares of so "
        "many items differ by up to 7.1 by chance."
    )
    assert by_chance(scored, "loss", "s2l", "random") == ""
    other = scored.assign(decoded=[306, 300])
    assert by_chance(other, "exact_match", "s2l", "random") == "", "of other items"


def test_ranges_that_do_not_overlap_are_no_verdict():
    apart = ranges(table(s2l=[1.0, 1.1, 1.2], random=[1.3, 1.4, 1.5]), "loss", "s2l", "random")
    assert "do not overlap, which is no verdict: with 3 seeds it happens in 0.1 of" in apart
    assert ranges(table(s2l=[1.0, 1.35], random=[1.3, 1.4]), "loss", "s2l", "random") == ""
    assert ranges(table(s2l=[1.0], random=[1.3]), "loss", "s2l", "random") == ""


def test_the_other_pairs_are_exploratory():
    scored = table(s2l=A, random=B, full=[0.9, 0.8, 0.85, 0.9, 0.95])
    found = exploratory(scored, "loss").set_index(["arm", "other"])
    assert list(found.index) == [("s2l", "full"), ("random", "full")], "the planned pair is not in"
    line = found.loc["s2l", "full"]
    assert (line["how"], line["seeds"], line["p"]) == ("paired by seed", 5, None)
    assert line["difference"] == pytest.approx(1.1812 - 0.88)
    later = scored[scored["arm"] == "full"].assign(seed=[5, 6, 7, 8, 9])
    unpaired = pd.concat([scored[scored["arm"] != "full"], later])
    line = exploratory(unpaired, "loss").set_index(["arm", "other"]).loc["s2l", "full"]
    assert line["how"] == "Welch, not paired"
    assert line["low"] < line["difference"] < line["high"]
    assert exploratory(table(s2l=A, random=B), "loss").empty


def test_failed_runs_are_listed():
    scored = table(s2l=[1.0, math.nan]).assign(failed=["", "out of memory"])
    assert failed_runs(scored)[["seed", "failed"]].to_numpy().tolist() == [[1, "out of memory"]]
    assert failed_runs(table(s2l=[1.0])).empty
