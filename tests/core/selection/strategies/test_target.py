"""Rows like examples of the target's task."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.selection.strategies.target import in_turn


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_queries_in_turn_take_what_a_plain_loop_takes(rows, queries, seed):
    rng = np.random.default_rng(seed)
    points = rng.integers(-2, 3, (rows, 3)).astype(np.float32)  # whole numbers: exact, with ties
    asked = rng.integers(-2, 3, (queries, 3)).astype(np.float32)
    n = int(rng.integers(0, rows + 1))
    left, expected = list(range(rows)), []
    for turn in range(n):
        best = max(left, key=lambda row: (points[row] @ asked[turn % queries], -row))
        left.remove(best)
        expected.append(best)
    order, whose, _ = in_turn(points, asked, n)
    assert order.tolist() == expected
    assert whose == [turn % queries for turn in range(n)]
