"""What is said beside a study's scores."""

import pandas as pd

from core.finetune.metrics import METRICS
from core.study.sentences import as_text, near_floor


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


def test_failed_runs_stand_in_the_table():
    text = as_text(
        table(s2l=[0.1, float("nan"), 0.3], random=[float("nan")]), {"loss": 2.5, "loss_items": 50}
    )
    assert "0.200 [0.100, 0.300] of 50 (1 failed)" in text
    assert text.splitlines()[-1].split()[-2:] == ["1", "failed"]
