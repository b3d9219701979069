"""What is said of a study's scores."""

import pandas as pd
import pytest

from core.finetune.metrics import METRICS
from core.study.results import as_text, near_floor, verdict


def table(**arms: list[float]) -> pd.DataFrame:
    """One metric, by arm and seed, twice: as a loss and as a share."""
    lines = [
        {
            "arm": arm,
            "seed": seed,
            "rows": 20,
            "loss": value,
            "exact_match": value,
            "loss_items": 50,
            "right": 4,
            "decoded": 8,
        }
        for arm, values in arms.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(lines)


def test_the_lower_loss_and_the_higher_share_are_ahead():
    scored = table(s2l=[0.1, 0.2, 0.3], random=[0.4, 0.5, 0.6], full=[0.0, 0.0, 0.0])
    assert verdict(scored, "loss") == (
        "S2L is ahead of random: 0.200 against 0.500, means over 3 seeds; the ranges do not overlap."
    )
    assert verdict(scored, "exact_match") == (
        "Random is ahead of S2L: 20.0% against 50.0%, means over 3 seeds; the ranges do not "
        "overlap."
    )


def test_ranges_that_touch_overlap():
    scored = table(s2l=[0.1, 0.4], random=[0.4, 0.5])
    assert verdict(scored, "loss").endswith("means over 2 seeds; the ranges overlap.")


def test_the_arm_of_fewer_seeds_counts():
    assert verdict(table(s2l=[0.5], random=[0.4, 0.6, 0.8]), "loss") == (
        "S2L is ahead of random: 0.500 against 0.600. One draw each: a walk-through, not evidence."
    )
    assert "over 2 seeds" in verdict(table(s2l=[0.5, 0.5], random=[0.4, 0.6, 0.8]), "loss")


@pytest.mark.parametrize("metric", ["loss", "exact_match"])
def test_equal_means_are_no_lead(metric):
    assert verdict(table(s2l=[0.25, 0.75], random=[0.5]), metric) == (
        "S2L and random scored the same."
    )


def test_nothing_is_said_without_both_arms():
    assert verdict(table(s2l=[0.5], full=[0.4]), "loss") == ""
    assert verdict(table(random=[0.5]), "loss") == ""


def test_a_metric_near_its_floor_in_every_arm_is_named():
    low = near_floor(table(s2l=[0.1, 0.29], random=[0.2]))
    assert low.startswith("Exact match is below 30% in every arm")
    assert near_floor(table(s2l=[0.1, 0.3], random=[0.2])) == ""
    assert near_floor(table(s2l=[0.1]).drop(columns="exact_match")) == ""


def test_the_table_for_a_terminal_has_every_metric_and_its_denominators():
    text = as_text(table(s2l=[0.1, 0.3], random=[0.4]), {"loss": 2.5, "loss_items": 50})
    title, base, ours, other = text.splitlines()
    assert METRICS["loss"].title in title
    assert METRICS["exact_match"].title in title
    assert METRICS["coverage"].title not in title, "nobody measured it"
    assert base.split() == ["untuned", "base", "0", "2.500", "(on", "50)", "-"]
    assert "0.200 [0.100, 0.300] of 50" in ours
    assert "20.0% [10.0%, 30.0%] of 8" in ours
    assert "40.0% (4 of 8)" in other
