"""Which rows every step trains on."""

import numpy as np

from core.training.order import schedule, shards
from core.training.recipe import Recipe

LENGTHS = np.arange(40) % 7


def test_each_epoch_has_every_row_once_and_the_seed_decides():
    rows = np.arange(3, 40)
    recipe = Recipe(steps=20, batch_size=4, lr=1e-3, seed=1)
    steps = schedule(LENGTHS, rows, recipe)
    assert len(steps) == 20
    assert sorted(np.concatenate(steps[:10])) == rows.tolist()
    assert sorted(np.concatenate(steps[10:])) == rows.tolist()
    again = schedule(LENGTHS, rows, recipe)
    assert all(np.array_equal(a, b) for a, b in zip(steps, again, strict=True))


def test_rows_of_a_batch_have_like_lengths():
    steps = schedule(LENGTHS, np.arange(40), Recipe(steps=10, batch_size=4, lr=1e-3, seed=0))
    assert max(np.ptp(LENGTHS[rows]) for rows in steps) <= 1


def test_processes_share_every_step():
    steps = [np.array([5, 3, 8, 1]), np.array([2, 9])]
    parts = shards(steps, 2)
    assert [part.tolist() for part in parts] == [[5, 8], [3, 1], [2], [9]]
    assert shards(steps, 1) is steps
