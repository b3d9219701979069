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
    assert names[0] == "s2l"
    assert names[2].replace(" ", "") == f"{long}0".replace(" ", ""), "whole, over lines"
    assert "1.010  (1,200 rows, 3 seeds)" in texts(fig)
    assert "3.010  (990 to 1,010 rows, 3 seeds)" in texts(fig)
    assert (
        fig.layout.height
        > study_charts.study_figure(
            results({"a": 1.0, "b": 2.0, "c": 3.0}), "nll", "loss", True
        ).layout.height
    )
