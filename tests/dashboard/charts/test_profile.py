import numpy as np
import pandas as pd
import pytest

from dashboard.charts import profile as profile_charts
from tests.dashboard.charts.conftest import RNG, bars, texts


def facts(n=400):
    return pd.DataFrame(
        {
            "response": RNG.integers(1, 900, n),
            "final loss": np.where(np.arange(n) % 4 == 0, np.nan, RNG.random(n)),
            "source": RNG.choice(list("abcdefghijkl"), n),
        }
    )


def test_profile_compares_shares_and_says_of_how_many():
    table, picked = facts(), np.arange(400) < 60
    fig = profile_charts.profile(table, picked, {"response": "tokens", "final loss": "nats"})
    assert "selected: 60 rows" in texts(fig)
    assert "all: 400 rows" in texts(fig)
    assert f"(60 rows) · all {table['response'].median():,.4g} (400 rows)" in texts(fig)
    assert "(45 rows)" in texts(fig)
    assert "(300 rows)" in texts(fig)
    curves = [trace for trace in fig.data if trace.type == "scatter"]
    assert [sum(trace.y) for trace in curves] == pytest.approx([100] * 4)


def test_profile_draws_the_commonest_names_and_the_others_together():
    table, picked = facts(), np.arange(400) < 60
    everyone, mine = bars(profile_charts.profile(table[["source"]], picked, {}))
    top = table["source"].value_counts().head(5)
    assert list(everyone.customdata) == [*top, 400 - top.sum()]
    assert mine.customdata[0] == (table["source"][picked] == top.index[0]).sum()
    assert sum(mine.x) == pytest.approx(100)


@pytest.mark.parametrize("selected", [0, 1, 400])
def test_profile_of_none_one_or_all_rows(selected):
    fig = profile_charts.profile(
        facts(), np.arange(400) < selected, {"response": "tokens", "final loss": ""}
    )
    assert f"selected: {selected:,} rows" in texts(fig)
    assert ("none" in texts(fig)) == (selected <= 1)  # row 0 has no final loss


def test_profile_says_that_it_is_a_sample():
    fig = profile_charts.profile(
        facts(), np.ones(400, bool), {}, sampled="a sample of 400 of 1,000,000"
    )
    assert "(a sample of 400 of 1,000,000)" in texts(fig)


def test_explained_never_shows_less_than_nothing():
    table = pd.DataFrame({"what": ["a", "b", "c"], "share": [0.714, -0.01, 0.004]})
    fig = profile_charts.explained(table, "the clustering of 400 rows")
    assert list(fig.data[1].x) == pytest.approx([71.4, 0, 0.4])
    assert fig.layout.yaxis.ticktext[fig.layout.yaxis.tickvals.argmax()] == "a"
    assert texts(fig) == "71% 0% &lt;1%"
    assert "the clustering of 400 rows" in fig.layout.xaxis.title.text
