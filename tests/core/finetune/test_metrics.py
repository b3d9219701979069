"""Every metric, by hand: three sources, one item without a loss, two that were not answered."""

import numpy as np
import pandas as pd
import pytest

from core.finetune.metrics import METRICS, describe, measure

ITEMS = pd.DataFrame(
    {
        "source": ["a", "a", "a", "a", "b", "b", "c"],
        "loss": [1.0, 2.0, 3.0, np.nan, 4.0, 6.0, 8.0],
        "right": [True, True, False, None, False, None, True],
    }
)
BY_HAND = {
    "loss": 24 / 6,
    "balanced_loss": (2 + 5 + 8) / 3,
    "exact_match": 3 / 5,
    "coverage": 2 / 3,
}


def test_the_metrics_and_what_they_were_measured_on():
    scores = measure(ITEMS)
    assert {key: scores[key] for key in METRICS} == pytest.approx(BY_HAND)
    assert scores["loss_by_source"] == {"a": 2.0, "b": 5.0, "c": 8.0}
    counts = {"loss_items": 6, "right": 3, "decoded": 5, "covered": 2, "sources": 3}
    assert {key: scores[key] for key in counts} == counts
    assert describe(scores) == (
        "Balanced held-out loss (nats per response token): 5.000 (on 6); "
        "Held-out loss (nats per response token): 4.000 (on 6); "
        "Exact match (share of test items): 60.0% (3 of 5); "
        "Sources covered (share of sources at least half right): 66.7% (2 of 3)"
    )


def test_what_was_not_measured_has_no_score():
    assert measure(ITEMS.assign(loss=np.nan, right=None)) == {}
    assert METRICS.keys() & measure(ITEMS.assign(right=None)) == {"loss", "balanced_loss"}
    assert METRICS.keys() & measure(ITEMS.assign(loss=np.nan)) == {"exact_match", "coverage"}


def test_a_metric_says_everything_that_a_page_shows():
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)
    scores = measure(ITEMS)
    for key, metric in METRICS.items():
        assert metric.written(scores[key], scores).endswith(")")
        assert len(metric.axis) <= 60, "an axis cuts a longer title"
