"""Rows by scores that another tool gave."""

import numpy as np
import pytest
from hypothesis import given as over
from hypothesis import strategies as st

from core.errors import InputError
from core.selection.strategies.given import by_rule


@over(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(0, 40))
def test_top_and_bottom_are_those_of_a_sort(values, n):
    scores, rng = np.array(values), np.random.default_rng(0)
    for rule, sign in (("top", -1), ("bottom", 1)):
        order = sorted(range(len(values)), key=lambda i, s=sign: (s * values[i], i))
        assert by_rule(scores, rule, n, rng).tolist() == order[:n]


def test_weighted_draws_in_proportion_and_never_a_zero():
    scores = np.array([1.0, 2, 3, 4, 0])
    first = [int(by_rule(scores, "weighted", 1, np.random.default_rng(i))[0]) for i in range(4000)]
    shares = np.bincount(first, minlength=5) / 4000
    np.testing.assert_allclose(shares, scores / 10, atol=0.03)
    with pytest.raises(InputError, match="4 rows have more, fewer than the 5"):
        by_rule(scores, "weighted", 5, np.random.default_rng(0))
    with pytest.raises(InputError, match="1 of 2 are below 0"):
        by_rule(np.array([-1.0, 1]), "weighted", 1, np.random.default_rng(0))
