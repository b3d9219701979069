"""The time left while a test is answered, on made-up answers whose seconds are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.finetune import answers_left
from core.finetune.answers_left import AnswersLeft, steps

SIZES = [24, 72, 216, 200]
READ, FIXED, ITEM = 0.001, 0.05, 0.01
"""Seconds of a token read, of a step, and of an answer in it."""
NONE = np.zeros(0, np.int64)


def written(monkeypatch, lengths, usual, batch=64, prompt=50, slower=1.0, item=ITEM):
    """Write answers of these lengths; return seconds left, said and true.

    `slower`, a step takes so many times as long in every stage as in the one before: the texts get
    longer, and others use the machine.
    """
    now, told = [0.0], []
    monkeypatch.setattr(answers_left.time, "monotonic", lambda: now[0])
    left = AnswersLeft(SIZES, batch, usual)
    going, begin = list(lengths), 0
    for stage, size in enumerate(SIZES):
        parts = [going[i : i + batch] for i in range(0, len(going), batch)]
        if not parts:
            break
        left.begin_stage([(len(p), prompt + begin) for p in parts])
        for part in parts:
            left.begin_batch()
            now[0] += READ * len(part) * (prompt + begin)
            for token in range(1, min(size, max(part) - begin) + 1):
                now[0] += (FIXED + item * len(part)) * slower**stage
                left.token(token, sum(n <= begin + token for n in part))
                if (said := left.seconds()) is not None:
                    told.append((said, now[0]))
        going = [n for n in going if n > begin + size]
        begin += size
    return np.array([said for said, _ in told]), now[0] - np.array([at for _, at in told])


RNG = np.random.default_rng(0)
GOLDS = RNG.gamma(4, 40, 300).astype(np.int64) + 5  # 160 tokens on average
LIKE_GOLDS = RNG.gamma(4, 40, 150).astype(np.int64) + 5
SHORT = RNG.integers(1, 20, 150)
ENDLESS = np.full(40, 10_000)
SOME_LOOP = np.where(RNG.random(20) < 0.35, 10_000, RNG.gamma(1.5, 60, 20).astype(int) + 10)
MIXED = np.where(RNG.random(100) < 0.4, 10_000, RNG.integers(5, 80, 100))


@pytest.mark.parametrize(
    ("lengths", "usual", "low", "high"),
    [
        (LIKE_GOLDS, GOLDS, 0.9, 1.6),
        (SHORT, SHORT, 0.9, 5.0),
        (MIXED, GOLDS, 0.5, 1.4),
        (SOME_LOOP, GOLDS[:35], 0.4, 1.4),
        (ENDLESS, NONE, 0.9, 1.1),
        (ENDLESS, GOLDS, 0.5, 1.1),
        (LIKE_GOLDS, NONE, 0.9, 2.2),
    ],
    ids=[
        "as the worked ones",
        "short",
        "some without end",
        "a few, of which some go round in circles",
        "none ends, none is worked",
        "none ends as worked ones do",
        "none is worked",
    ],
)
def test_the_time_left_is_near_the_truth(monkeypatch, lengths, usual, low, high):
    said, true = written(monkeypatch, lengths, usual)
    matters = true > 0.1 * true.max()  # of the rest a second is a large share
    ratio = said[matters] / true[matters]
    assert low < ratio.min()
    assert ratio.max() < high
    assert said[-1] == pytest.approx(0, abs=2)


@pytest.mark.parametrize(("slower", "low"), [(0.8, 0.5), (1.0, 0.5), (1.2, 0.4)])
def test_steps_of_fewer_answers_are_not_thought_to_cost_less_than_any_was_seen_to(
    monkeypatch, slower, low
):
    """SmolLM2 on a processor: a step takes as long for 7 answers as for 12, or longer."""
    lengths = np.array([14, 26, 29, 45, 130, *[10_000] * 7])
    said, true = written(monkeypatch, lengths, GOLDS // 2, slower=slower, item=0.0005)
    ratio = said / true
    assert ratio[true > 3].min() > low
    assert ratio[true > 3].max() < 2


@given(st.integers(1, 64), st.integers(1, 300), st.floats(0, 1))
def test_the_last_of_several_ends_no_sooner_and_within_what_is_given(n, size, goes_on):
    lasting = goes_on ** np.arange(size)
    assert 1 <= steps(n, lasting) <= steps(n + 1, lasting) + 1e-9 <= size + 1e-6
    assert steps(0.5, lasting) == pytest.approx(0.5 * steps(1, lasting))


def test_one_answer_takes_the_mean_of_its_lengths():
    assert steps(1, 0.9 ** np.arange(10_000)) == pytest.approx(10)  # of a geometric length
    assert steps(3, np.ones(50)) == 50
    assert steps(3, np.zeros(0)) == 0
