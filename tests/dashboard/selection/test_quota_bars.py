"""What gestures on the bars mean, and what they set."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dashboard.selection import last_change, quota_bars
from dashboard.selection.quota_bars import Gesture

ORDER = [7, 3, 5, 0]
NOTHING = {"points": [], "point_indices": [], "box": [], "lasso": []}


def boxed(x, y, order=ORDER):
    return quota_bars.meant({**NOTHING, "box": [{"xref": "x", "yref": "y", "x": x, "y": y}]}, order)


def test_a_click_chooses_the_cluster_of_its_bar():
    point = {"curve_number": 0, "point_index": 1, "x": 1, "y": 40}
    assert quota_bars.meant({**NOTHING, "points": [point]}, ORDER) == Gesture((3,), None)


def test_nothing_selected_chooses_nothing():
    assert quota_bars.meant(NOTHING, ORDER) is None


def test_a_box_takes_the_bars_under_it_and_its_top_edge():
    assert boxed([0.6, 2.4], [3, 40.4]) == Gesture((3, 5), 40)
    assert boxed([2.4, 0.6], [40.4, 3]) == Gesture((3, 5), 40), "drawn from right to left"
    assert boxed([1.1, 1.2], [0, 7]) == Gesture((3,), 7), "inside one bar"
    assert boxed([0, 1], [-5, -2]) == Gesture((7, 3), 0), "below the axis"
    assert boxed([3.6, 9], [0, 5]) is None, "beside all bars"


@given(
    st.integers(1, 40),
    st.floats(-60, 60, allow_nan=False),
    st.floats(-60, 60, allow_nan=False),
    st.floats(-50, 5_000, allow_nan=False),
)
def test_a_box_takes_exactly_the_bars_that_it_touches(n, one, other, top):
    left, right = sorted((one, other))
    chosen = boxed([one, other], [top, top - 9], list(range(n)))
    touched = tuple(i for i in range(n) if i - 0.5 <= right and i + 0.5 >= left)
    assert (chosen.clusters if chosen else ()) == touched
    if chosen:
        assert chosen.level >= 0
        assert chosen.level == max(0, round(top))


def test_which_clusters_a_hand_moved():
    assert last_change.moved_by_hand("", "") == []
    assert last_change.moved_by_hand("3=4", "3=4,7<=2") == [7]
    assert last_change.moved_by_hand("3=4,5=1", "3<=4,5=2") == [3, 5]


def test_the_moved_cluster_and_the_others_add_up():
    came, went = np.array([3, 3, 3, 1]), np.array([1, 2, 2, 3])
    assert last_change.by_cluster([3], came, went) == "Cluster 3: +2 rows, the others \u22122. "
    assert last_change.by_cluster([1, 3], came, went).startswith("2 clusters: +2 rows, the others")
    assert last_change.by_cluster([], came, went) == ""
