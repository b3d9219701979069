"""A run's seconds from what was tried: arithmetic on made-up machines that are known exactly."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.finetune.forecast import answering, between, forecast, line, training
from core.finetune.others import share

SIZES = st.lists(st.integers(10, 5000), min_size=2, max_size=12)


@given(
    SIZES, st.floats(0.001, 2), st.floats(1e-6, 1e-2), st.lists(st.integers(10, 5000), min_size=1)
)
def test_a_steady_machine_is_foretold_exactly(tried, fixed, token, planned):
    assume(max(tried) > 1.5 * min(tried))
    points = [(n, fixed + token * n) for n in tried]
    expected = sum(fixed + token * n for n in planned)
    low, high = training(points, planned)
    assert low <= expected <= high
    assert (low + high) / 2 == pytest.approx(expected, rel=1e-3)
    assert high - low == pytest.approx(0.1 * expected, rel=1e-3)  # 5% either way at least


@given(SIZES, st.lists(st.floats(0.5, 2), min_size=12, max_size=12))
def test_seconds_are_never_negative_and_more_rows_never_take_less(tried, noise):
    seconds = np.array(noise[: len(tried)])
    fixed, token = line(np.array(tried, float), seconds)
    assert fixed >= 0
    assert token >= 0
    points = list(zip(tried, seconds.tolist(), strict=True))
    one, two = training(points, [100]), training(points, [100, 200])
    assert 0 <= one[0] <= one[1]
    assert two[1] > one[1]


def test_an_uneven_machine_has_a_wider_range():
    even = training([(100, 1.0)] * 6, [100] * 10)
    uneven = training([(100, 0.5), (100, 1.5)] * 3, [100] * 10)
    assert sum(even) == pytest.approx(20)
    assert sum(uneven) == pytest.approx(20)
    assert uneven[1] - uneven[0] > 3 * (even[1] - even[0])


MEASURED = {
    "clock": {
        **{"start": 10.0, "tests": 2.0, "before": 1.0, "trainer": 0.5},
        **{"first_step": 4.0, "check": 3.0},
    },
    "slowed": 0.0,
    "looks": {"times": 5, "rows": 10, "answers": 3, "new": 64, "kept": 0},
    "points": [(100, 1.0), (200, 2.0)],
    "padded": [100, 200] * 50,
    "tokens": 12_000,
    "trainable": 1000,
    "bytes_saved": 4000,
    "save": 1e-4,
    "test": {
        "batch": 64,
        "rates": {
            **{"score": 0.01, "read": 0.001, "step": 0.1, "item": 0.01},
            **{"first_judged": 2.0, "judged": 0.02},
        },
        "sets": [
            {
                "items": 100,
                "tokens": 500,
                "answered": 100,
                "prompt": 20,
                "lengths": [10, 50],
                "usual_new": 50,
                "max_new": 100,
                "times": 1,
            },
            {
                "items": 50,
                "tokens": 100,
                "answered": 0,
                "prompt": 20,
                "lengths": [10, 50],
                "usual_new": 50,
                "max_new": 100,
                "times": 2,
            },
        ],
    },
}


def test_every_part_of_a_run_is_in_it():
    """By hand: 150 s of steps and 2 checkpoints of 1.2 s; two batches of answers."""
    found = forecast(MEASURED)
    by_name = {p.name: p for p in found.parts}
    looks = "looking at held-out rows"
    assert list(by_name) == ["start", "training", looks, "scoring the test", "answering", "saving"]
    one, token = 50 * 0.01 + 3 * 20 * 0.001, 0.1 + 3 * 0.01
    assert by_name[looks].low == pytest.approx(0.95 * (5 * one + (64 + 4 * 50) * token))
    assert by_name[looks].high == pytest.approx(1.05 * (5 * one + 5 * 64 * token))
    assert by_name["start"].middle == pytest.approx(13.5)
    assert by_name["training"].middle == pytest.approx(4 + 150 + 2 * 1e-4 * 12_000)
    assert by_name["scoring the test"].middle == pytest.approx(1 + 0.01 * (500 + 2 * 100))
    # half end after 10 tokens, half after 50: 24 for all in two batches, 26 for the rest in one
    usual = 24 * (2 * 0.1 + 100 * 0.01) + 26 * (0.1 + 50 * 0.01) + (100 * 20 + 50 * 44) * 0.001
    longest = 100 * (2 * 0.1 + 100 * 0.01) + 100 * (20 + 44 + 116) * 0.001
    judged = 2.0 + 100 * 0.02
    assert by_name["answering"].low == pytest.approx(0.95 * (judged + usual))
    ratio = by_name["answering"].middle / (judged + usual)
    assert ratio == pytest.approx((judged + longest) / by_name["answering"].middle)
    assert by_name["answering"].high == pytest.approx(1.05 * (judged + longest))
    assert by_name["saving"].middle == pytest.approx(1.0 + 3.0)
    behind = ["scoring the test", "answering", "saving"]
    assert found.after_training() == pytest.approx(sum(by_name[n].middle for n in behind))
    training = by_name["training"].middle
    assert found.after_training(training) == pytest.approx(found.after_training())
    assert found.after_training(2 * training) == pytest.approx(2 * found.after_training())
    assert found.after_training(99 * training) == pytest.approx(4 * found.after_training())
    assert found.after_start() == pytest.approx(found.middle - 13.5)
    assert found.low < found.middle < found.high
    assert not found.busy()
    assert found.tokens_a_second() == pytest.approx(12_000 / by_name["training"].middle)
    low, high = found.price(3600.0)
    assert (low, high) == (pytest.approx(found.low), pytest.approx(found.high))


def test_what_others_took_of_the_try_widens_every_range_and_is_said():
    alone, beside = forecast(MEASURED), forecast({**MEASURED, "slowed": 0.6})
    assert beside.middle == pytest.approx(alone.middle)
    assert beside.low == pytest.approx(0.4 * alone.low)
    assert beside.high == pytest.approx(1.6 * alone.high)
    assert beside.busy().startswith("Other programs took 60% of the speed during the try")


@pytest.mark.parametrize(
    ("others", "wanted", "expected"),
    [(0.0, 1.0, 0.0), (0.75, 1.0, 0.75), (0.5, 0.5, 0.0), (0.75, 0.5, 0.5), (2.0, 1.0, 0.9)],
)
def test_others_slow_a_process_by_what_they_leave_less_than_it_wants(others, wanted, expected):
    assert share(others, wanted) == pytest.approx(expected)
    assert share(-0.1, wanted) == 0.0


def test_what_is_tested_twice_takes_twice_as_long():
    once = {**MEASURED["test"], "sets": [MEASURED["test"]["sets"][0]]}
    twice = {**once, "sets": [{**once["sets"][0], "times": 2}]}
    assert answering(twice) == pytest.approx(2 * answering(once))
    assert answering(twice, longest=True) == pytest.approx(2 * answering(once, longest=True))


def test_a_range_is_written_once_where_both_ends_read_the_same():
    assert between(60.0, 60.2) == "1 min 0 s"
    assert between(50.0, 130.0) == "50 s to 2 min 10 s"
