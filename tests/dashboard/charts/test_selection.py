import numpy as np
import pandas as pd

from dashboard.charts import selection as selection_charts
from tests.dashboard.charts.conftest import shares, texts


def allocated(sizes, taken, **how):
    table = {"cluster": range(len(sizes)), "size": sizes, "taken": taken}
    table["quota"] = how.pop("quota", taken)
    return selection_charts.allocation(pd.DataFrame(table), len(sizes), **how)


def test_allocation_sorts_clusters_and_names_the_water_level():
    fig = allocated([3, 90, 60], [3, 41, 40])
    assert list(fig.data[0].y) == [90, 60, 3]
    assert "even share: 41 rows · 1 cluster taken whole" in texts(fig)


def test_allocation_without_a_level_claims_none():
    assert "even share" not in texts(allocated([50, 60, 70], [5, 30, 1]))


def test_allocation_of_everything_has_no_water_level():
    assert "even share" not in texts(allocated([5, 6], [5, 6]))


def test_allocation_turns_logarithmic_when_sizes_span_fifty_times():
    assert allocated([1000, 10], [10, 10]).layout.yaxis.type == "log"
    assert allocated([100, 10], [10, 10]).layout.yaxis.type is None


def marked(fig):
    """Return the bars under each kind of mark, by its symbol or sign."""
    found = {}
    for trace in fig.data[2:]:
        found[trace.texttemplate or trace.marker.symbol] = list(trace.x)
    return found


def test_a_narrow_picture_says_shortly_what_its_marks_mean():
    wide, narrow = (allocated([5, 400, 300], [5, 40, 40], narrow=n) for n in (False, True))
    assert "(logarithmic)    \u25c6 taken whole    " in texts(wide)
    assert "solid: taken<br>logarithmic scale<br>\u25c6 taken whole<br>" in texts(narrow)
    assert "clusters taken whole" not in texts(narrow)
    assert narrow.layout.margin.t > wide.layout.margin.t


def test_bars_set_capped_and_taken_whole_are_marked():
    fig = allocated([60, 50, 40, 3], [30, 5, 9, 3], fixed={0: 30}, caps={1: 5})
    assert marked(fig) == {"=": [0], "\u2264": [1], "diamond": [3]}
    assert [w > 0 for w in fig.data[0].marker.line.width] == [True, True, False, False]
    assert all(word in texts(fig) for word in ("= set by hand", "\u2264 at most", "taken whole"))
    assert "set by hand" not in texts(allocated([60, 50], [9, 9]))


def test_the_water_level_is_that_of_the_clusters_no_hand_holds():
    assert "even share: 9 rows" in texts(allocated([60, 50, 40], [30, 9, 8], fixed={0: 30}))
    assert "even share: 9 rows" in texts(allocated([60, 50, 40], [4, 9, 9], caps={0: 4}))
    high = allocated([60, 50, 40], [9, 9, 9], caps={0: 20})
    assert "even share: 9 rows" in texts(high)


def test_what_sharing_alone_would_take_is_shown_where_it_differs():
    fig = allocated([60, 50, 40], [30, 9, 9], fixed={0: 30}, quota=[16, 16, 9])
    (ticks,) = [t for t in fig.data if t.type == "scatter" and t.marker.symbol == "line-ew"]
    assert (list(ticks.x), list(ticks.y)) == ([0, 1], [16, 16])
    assert "by sharing alone" in fig.data[0].hovertemplate
    assert "by sharing alone" not in allocated([60, 50], [9, 9]).data[0].hovertemplate


def bands(fig):
    return [(s.x0, s.x1) for s in fig.layout.shapes if s.type == "rect"]


def test_chosen_bars_are_lit_up_with_their_level():
    assert bands(allocated([60, 50, 40, 30], [9] * 4)) == []
    fig = allocated([60, 50, 40, 30], [9] * 4, chosen=[0, 1, 3], level=12)
    assert bands(fig) == [(-0.5, 1.5), (2.5, 3.5)]
    assert [s.y0 for s in fig.layout.shapes if s.type == "line" and s.y0 == s.y1 == 12] == [12, 12]


def test_a_column_answers_to_a_click_and_the_solid_bar_does_not():
    fig = allocated([60, 1], [9, 1])
    assert fig.layout.hovermode == "x"
    assert fig.data[0].hovertemplate
    assert fig.data[1].hoverinfo == "skip"


def test_movers_are_the_three_sources_that_change_most():
    fig = selection_charts.movers(shares(30))
    assert len(fig.data[1].x) == 3
    assert fig.layout.height < 120
    largest = selection_charts.share_change(shares(30), most=3)
    assert list(fig.layout.yaxis.ticktext) == list(largest.layout.yaxis.ticktext)


def test_share_change_sorts_by_change_and_keeps_twenty():
    fig = selection_charts.share_change(shares(30))
    change = np.asarray(fig.data[2].x) - np.asarray(fig.data[1].x)
    assert len(change) == 20
    assert (np.diff(change) >= 0).all()
