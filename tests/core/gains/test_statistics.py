"""Gains by group, and a draw that stands for all."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.gains.statistics import LEAST, by_group, draw


def test_groups_are_described_as_by_hand():
    rows = pd.DataFrame(
        {
            "cluster": [0, 0, 0, 1],
            "trained": [True, False, False, True],
            "before": [2.0, 3.0, 4.0, 1.0],
            "after": [1.0, 3.0, 3.5, 1.5],
        }
    )
    zero, one = by_group(rows, "cluster").to_dict("records")
    # changes -1, 0, -0.5: mean -0.5, sd 0.5, t(0.975, 2) = 4.302653, half width 1.242069
    assert (zero["rows"], zero["trained"], zero["unseen"]) == (3, 1, 2)
    assert [zero["change"], zero["low"], zero["high"]] == pytest.approx(
        [-0.5, -1.742069, 0.742069], abs=1e-5
    )
    assert zero["improved"] == pytest.approx(2 / 3)
    assert zero["unseen_change"] == pytest.approx(-0.25)
    assert (one["change"], one["unseen"]) == (0.5, 0)
    assert np.isnan([one["low"], one["unseen_change"]]).all()


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=200),
    st.integers(1, 250),
    st.integers(0, 3),
)
def test_a_draw_has_some_of_every_group_and_stands_for_all(groups, n, seed):
    chosen, weights = draw(groups, n, seed)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    held = np.asarray(groups)[chosen]
    sizes = {g: groups.count(g) for g in set(groups)}
    assert len(chosen) == min(max(n, len(sizes)), len(groups))
    for group, size in sizes.items():
        taken = int((held == group).sum())
        assert taken >= min(size, LEAST, max(1, n // len(sizes)))
        assert weights[held == group].sum() == pytest.approx(size)
    again = draw(groups, n, seed)[0]
    assert chosen.tolist() == again.tolist()
