import numpy as np
import pandas as pd
import pytest

from dashboard.charts import study as study_charts
from tests.dashboard.charts.conftest import results, texts


@pytest.mark.parametrize(("lower", "top"), [(True, "a"), (False, "b")])
def test_study_puts_the_best_arm_on_top(lower, top):
    fig = study_charts.study_figure(results({"a": 1.0, "b": 2.0}), "nll", "loss", lower)
    assert fig.layout.yaxis.ticktext[-1] == top


def test_study_range_is_not_squeezed_by_a_distant_reference():
    fig = study_charts.study_figure(
        results({"a": 1.0, "b": 1.1}), "nll", "loss", True, base=40.0, full=0.95
    )
    low, high = fig.layout.xaxis.range
    assert low < 0.95
    assert high < 1.5
    assert "untuned 40.00 →" in texts(fig)


def test_study_survives_one_arm_with_one_value():
    one = results({"a": 1.0}).head(1)
    low, high = study_charts.study_figure(one, "nll", "loss", True).layout.xaxis.range
    assert low < 1.0 < high


def test_study_tells_long_names_apart_and_says_how_many_rows():
    long = "s2l 11% capped 0.3 hardest noise guard quotas 3=40,7="
    table = results({f"{long}0": 1.0, f"{long}1": 2.0, "s2l": 3.0})
    table.loc[table["arm"] == "s2l", "rows"] = [990, 1000, 1010]
    fig = study_charts.study_figure(table, "nll", "loss", True)
    names = [name.replace("<br>", " ") for name in fig.layout.yaxis.ticktext]
    assert names[0] == "S2L"
    assert names[2].replace(" ", "") == f"{long}0".replace(" ", ""), "whole, over lines"
    assert "1.010  (1,200 rows, 3 seeds)" in texts(fig)
    assert "3.010  (990 to 1,010 rows, 3 seeds)" in texts(fig)
    assert (
        fig.layout.height
        > study_charts.study_figure(
            results({"a": 1.0, "b": 2.0, "c": 3.0}), "nll", "loss", True
        ).layout.height
    )


def test_study_marks_failed_runs_at_the_worse_edge():
    table = results({"a": 1.0, "b": 2.0})
    table.loc[1, "nll"] = np.nan
    fig = study_charts.study_figure(table, "nll", "loss", True)
    marks = fig.data[-1]
    assert (marks.marker.symbol, list(marks.x), list(marks.y)) == (
        "x",
        [fig.layout.xaxis.range[1]],
        [1],
    )
    assert "1.010  (1,200 rows, 2 of 3 seeds)" in texts(fig)
    better = study_charts.study_figure(table, "nll", "share", False)
    assert list(better.data[-1].x) == [better.layout.xaxis.range[0]]


def test_study_floors_are_lines_and_their_names_do_not_overlap():
    how = ("nll", "share", False, 0.9, 1.2)
    fig = study_charts.study_figure(
        results({"a": 1.0, "b": 1.1}), *how, {"commonest answers": 0.95}
    )
    named = [a for a in fig.layout.annotations if a.yshift and a.yanchor == "bottom"]
    assert len({a.yshift for a in named}) == len(named) == 3
    assert "commonest answers 0.9500" in texts(fig)
    assert len(fig.layout.shapes) == 3


def test_score_against_size_has_a_curve_an_arm_and_level_lines():
    lines = pd.concat(
        results({"a": 1.0 - n / 10, "b": 2.0}).assign(rows=rows, budget=budget)
        for n, (rows, budget) in enumerate([(30, "2%"), (300, "20%"), (100, "7%")])
    )
    fig = study_charts.by_size(lines, "nll", "loss", 0.5, 3.0)
    assert list(fig.data[0].x) == [30, 100, 300], "in order of size"
    assert len(fig.data) == 4
    assert "</span> all the data" in texts(fig)
    assert "</span> untuned" in texts(fig)
    low, high = fig.layout.yaxis.range
    assert low < 0.5
    assert high > 3.0


def test_a_distant_reference_is_named_at_the_edge_of_the_curves():
    lines = results({"a": 1.0}).assign(budget="2%", rows=30)
    fig = study_charts.by_size(lines, "nll", "loss", 0.98, 40.0)
    assert fig.layout.yaxis.range[1] < 2
    assert "untuned 40.00 ↑" in texts(fig)


def test_cost_bars_say_the_whole():
    costs = pd.DataFrame(
        {
            "arm": ["s2l", "random"],
            "training": [60.0, 58.0],
            "testing": [4.0, 5.0],
            "proxy": [np.nan, 0.0],
        }
    )
    fig = study_charts.cost_bars(costs)
    assert "64 s" in texts(fig)
    assert "63 s" in texts(fig)
    assert fig.layout.yaxis.ticktext[-1] == "S2L", "the first on top"
