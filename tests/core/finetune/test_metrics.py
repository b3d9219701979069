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
        "choice": [None, None, None, True, None, False, None],
        "choice_by_length": [None, None, None, True, None, True, None],
        "rouge_l": [0.25, 0.75, *[np.nan] * 5],
        "bert_score": [0.5, 0.7, *[np.nan] * 5],
        "said": ["a b c d", "e f g h", *[None] * 5],
        "gold": ["a b c d", "e f g h", *[None] * 5],
    }
)
OTHERS = [c for c in ITEMS if c not in ("source", "loss", "right")]
BY_HAND = {
    "loss": 24 / 6,
    "balanced_loss": (2 + 5 + 8) / 3,
    "exact_match": 3 / 5,
    "coverage": 2 / 3,
    "choice": 1 / 2,
    "choice_by_length": 2 / 2,
    "rouge_l": (0.25 + 0.75) / 2,
    "bert_score": (0.5 + 0.7) / 2,
    "bleu": 100,
}


def test_the_metrics_and_what_they_were_measured_on():
    scores = measure(ITEMS)
    assert {key: scores[key] for key in METRICS} == pytest.approx(BY_HAND), (
        "a line for every metric"
    )
    assert scores["loss_by_source"] == {"a": 2.0, "b": 5.0, "c": 8.0}
    counts = {"loss_items": 6, "right": 3, "decoded": 5, "covered": 2, "sources": 3}
    counts |= {"choices": 2, "choices_right": 1, "choices_right_by_length": 2, "texts": 2}
    assert {key: scores[key] for key in counts} == counts


def test_scores_are_said_with_unit_and_denominator():
    some = {"loss": 4.0, "loss_items": 6, "exact_match": 0.6, "right": 3, "decoded": 5}
    assert describe(some) == (
        "Held-out loss (nats per response token): 4.000 (on 6); "
        "Exact match (share of test items): 60.0% (3 of 5)"
    )


def test_what_was_not_measured_has_no_score():
    only = ITEMS.drop(columns=OTHERS)
    assert measure(only.assign(loss=np.nan, right=None)) == {}
    for column, value in (("right", None), ("loss", np.nan)):
        scored = METRICS.keys() & measure(only.assign(**{column: value}))
        assert scored == {
            key
            for key, metric in METRICS.items()
            if metric.column in only.columns.difference([column])
        }


def test_a_metric_says_everything_that_a_page_shows():
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)
    scores = measure(ITEMS)
    for key, metric in METRICS.items():
        assert metric.written(scores[key], scores).endswith(")")
        assert len(metric.axis()) <= 60, "an axis cuts a longer title"
