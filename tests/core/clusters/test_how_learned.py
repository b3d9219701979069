import numpy as np
import pandas as pd
import pytest

from core.clusters.how_learned import behaviour, behaviours

STEPS = np.array([0, 10, 20, 30, 40], float)
POOL = np.array(
    [[7.8, 4, 2.5, 1.6, 1.5], [8, 5, 3.5, 2.6, 2.5], [8.2, 6, 4.5, 3.7, 3.6]], float
)  # its fall of 5.5 is done to 90% at step 30.5 (2.5 + 0.55)
TOKENS = (20.0, 80.0)


@pytest.mark.parametrize(
    ("median", "length", "words"),
    [
        ([8, 5, 3.5, 2.6, 2.5], 50, "learned with the rest"),
        ([8, 1.1, 1, 1, 1], 10, "learned early, ends low, short answers"),
        ([8, 7, 6, 5, 3.7], 90, "learned late, ends high, long answers"),
        ([8, 7.9, 7.8, 7.6, 7.3], 50, "never learned"),
        ([8, 7.8, 7.6, 7.4, 7.1], 50, "learned late, ends high"),
        ([1.4, 1.4, 1.3, 1.3, 1.3], 50, "known from the start"),
        ([8, 2, 1.9, 2.2, 2.3], 50, "learned early, forgotten again"),
        ([1.4, 1.2, 1.2, 1.3, 1.4], 50, "known from the start, forgotten again"),
        ([8, 8, 8, 8, 9], 50, "never learned, forgotten again"),
    ],
)
def test_plain_words_for_curves(median, length, words):
    assert behaviour(np.array(median, float), STEPS, POOL, length, TOKENS) == words


def test_what_was_before_training_is_not_guessed_at():
    flat = np.array([8, 7.9, 7.8, 7.6, 7.3])
    assert behaviour(flat, STEPS, POOL, 50, TOKENS, start=False) == "learned late, ends high"


def test_pace_is_compared_with_the_pool_not_with_the_length_of_the_run():
    longer = np.append(STEPS, 400.0)
    pool = np.column_stack([POOL, POOL[:, -1]])
    median = np.array([8, 5, 3.5, 2.6, 2.5, 2.5])
    assert behaviour(median, longer, pool, 50, TOKENS) == "learned with the rest"


def test_behaviours_follow_the_table():
    quantiles = pd.DataFrame(
        {
            "cluster": np.repeat([0, 1], 5),
            "step": np.tile(STEPS, 2),
            "q50": [8, 1.1, 1, 1, 1, 8, 7.9, 7.8, 7.6, 7.3],
        }
    )
    table = pd.DataFrame({"cluster": [1, 0], "tokens": [50.0, 100.0]})
    pool = pd.DataFrame(POOL.T, columns=["q25", "q50", "q75"])
    assert behaviours(quantiles, table, pool, TOKENS) == [
        "never learned",
        "learned early, ends low, long answers",
    ]
