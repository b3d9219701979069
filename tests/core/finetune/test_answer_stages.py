"""Seconds of answers in stages, beside a count of every token of every answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.finetune import answer_stages

RATES = {"read": 0.001, "step": 0.05, "item": 0.01}


@given(st.integers(1, 500))
def test_stages_are_all_that_an_answer_may_take(most):
    sizes = answer_stages.stages(most)
    assert sum(sizes) == most
    assert sizes[0] == min(answer_stages.FIRST, most)


@given(st.lists(st.integers(1, 200), min_size=1, max_size=60))
def test_the_answers_that_are_expected_take_what_writing_them_takes(lengths):
    """One batch: it lasts as long as its longest, and of the shorter all go along in a stage."""
    total, going, begin = 0.0, sorted(lengths), 0
    for size in answer_stages.stages(200):
        if not going:
            break
        total += len(going) * (30 + begin) * RATES["read"]
        written = min(size, going[-1] - begin)
        total += written * (RATES["step"] + RATES["item"] * len(going))
        begin += size
        going = [n for n in going if n > begin]
    found = answer_stages.seconds(len(lengths), lengths, 200, 30, RATES, 64)
    assert found == pytest.approx(total, rel=0.4)  # the longest of so many drawn is a little less
    assert found <= total * 1.001


def test_answers_that_end_early_take_far_less_than_the_longest_of_them():
    rng = np.random.default_rng(0)
    lengths = np.minimum(rng.gamma(1.5, 80, 300).astype(int) + 5, 700).tolist()
    usual = answer_stages.seconds(20, lengths, 700, 30, RATES, 64)
    longest = answer_stages.seconds(20, [700], 700, 30, RATES, 64)
    assert usual < 0.4 * longest
