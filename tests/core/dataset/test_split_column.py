"""The data's own words for training and held-out rows."""

import pytest

from core.dataset import split_column


@pytest.mark.parametrize(
    ("value", "side"),
    [
        *((v, "held out") for v in ("test", " Test ", "dev", "val", "VALID", "validation", "eval")),
        *((v, "held out") for v in ("holdout", "held-out", "test_sft", "validation-matched")),
        *((v, "pool") for v in ("train", "TRAINING", "train_sft", "", None, float("nan"))),
        *((v, "pool: not understood") for v in ("a", "fold 1", "train/test", True, 0, "contest")),
    ],
)
def test_a_value(value, side):
    marks = split_column.read("split", [value])
    assert marks.held == [side == "held out"]
    assert list(marks.values.values()) == [(1, side)]


@pytest.mark.parametrize(
    ("column", "cell", "held"),
    [("is_test", True, True), ("is_test", "no", False), ("train", 0, True), ("train", "1", False)],
)
def test_yes_and_no_under_a_telling_name(column, cell, held):
    assert split_column.read(column, [cell]).held == [held]


def test_values_are_counted_most_frequent_first():
    values = split_column.read("part", ["x", "train", "x", "dev", None]).values
    assert values == {
        "x": (2, "pool: not understood"),
        "train": (1, "pool"),
        "dev": (1, "held out"),
        "(none)": (1, "pool"),
    }
