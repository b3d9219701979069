"""Which rows every step trains on, known before the first."""

from __future__ import annotations

import numpy as np

from core.arrays import Ints
from core.training.recipe import Recipe

GROUPED_BATCHES = 50


def schedule(lengths: Ints, rows: Ints, recipe: Recipe) -> list[Ints]:
    """Return the rows of every step, known before the first, so that resuming is exact.

    Each epoch is a fresh permutation, cut into groups of 50 batches in which rows are sorted by
    length (random batches of mixed lengths are 2-3 parts padding), its batches shuffled.
    """
    rng = np.random.default_rng(recipe.seed)
    group = GROUPED_BATCHES * recipe.batch_size
    out: list[Ints] = []
    while len(out) < recipe.steps:
        mixed = rng.permutation(rows)
        batches = []
        for start in range(0, len(mixed), group):
            part = mixed[start : start + group]
            part = part[np.argsort(lengths[part], kind="stable")]
            cuts = range(recipe.batch_size, len(part), recipe.batch_size)
            batches += np.split(part, cuts)
        out += [batches[i] for i in rng.permutation(len(batches))]
    return out[: recipe.steps]


def shards(steps: list[Ints], world: int) -> list[Ints]:
    """Cut every step's rows into one part a process, in the order in which they take them."""
    if world == 1:
        return steps
    return [part for rows in steps for part in (rows[i::world] for i in range(world))]
