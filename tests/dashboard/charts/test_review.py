import numpy as np
import pandas as pd
import pytest

from core.review import comparison, cost
from core.review.before_after import compare
from core.review.cost import operations
from core.review.stability import stability
from core.trajectories.cost import ProxyCost, TokenCounts
from dashboard.charts import cost as cost_charts
from dashboard.charts import review as review_charts
from dashboard.charts import theme

HOSTILE = "%{x}<a href='e'>y</a>"
N = 300
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "row": np.arange(N),
        "id": [f"{i:03d}" for i in range(N)],
        "text": np.arange(N),
        "source": RNG.choice([HOSTILE, "b", "c"], N),
        "cluster": RNG.integers(0, 30, N),
        "response": RNG.integers(1, 90, N),
        "final_loss": RNG.random(N),
    }
)
HARD = FRAME.nlargest(60, "final_loss")["row"].to_numpy()
DRAWN = RNG.permutation(N)[:60]
SETS = {"one": HARD, "two": DRAWN}
NAMES = {"one": HOSTILE, "two": "random"}
FOUND = compare(FRAME, HARD)
STABLE = stability(RNG.random((N, 6)).astype(np.float32), FRAME["id"].to_numpy(object), 10)
BILL = operations(ProxyCost(70, 3, 12, 1, 1, 1, 1), TokenCounts(0.11, 1), 2800, 3)
FIGURES = {
    "facet_distances": review_charts.facet_distances(
        FOUND.facets.assign(label=HOSTILE), FOUND.draws, FOUND.rows
    ),
    "facet_panels": review_charts.facet_panels(
        FOUND.facets.assign(label=HOSTILE, unit=HOSTILE), FOUND.shares
    ),
    "overlap_matrix": review_charts.overlap_matrix(comparison.jaccard(SETS), NAMES),
    "difference_bars": review_charts.difference_bars(
        comparison.allocation(FRAME, SETS, "source").table, "one", "two", NAMES
    ),
    "stability_figure": review_charts.stability_figure(
        STABLE.table.assign(variant=HOSTILE), STABLE.switches, STABLE.chance
    ),
    "cost_bars": cost_charts.cost_bars(BILL.table(), BILL.unit),
}


def test_a_full_dot_is_further_than_every_draw():
    _, full, hollow = review_charts.facet_distances(FOUND.facets, 20, 60).data
    marked = FOUND.facets.set_index("label")["further"]
    assert full.marker.color == theme.ACCENT
    assert sorted(full.x) == sorted(FOUND.facets.loc[FOUND.facets["further"], "distance"])
    assert len(full.x) == marked.sum()
    assert len(hollow.x) == len(marked) - marked.sum()


def test_every_facet_has_a_panel_and_large_ones_show_what_changes_most():
    fig = review_charts.facet_panels(FOUND.facets, FOUND.shares)
    dots = [t for t in fig.data if t.type == "scatter"]
    assert len(dots) == len(FOUND.facets)
    place = FOUND.facets["facet"].tolist().index("cluster")
    assert len(dots[place].x) == 12
    clusters = FOUND.shares[FOUND.shares["facet"] == "cluster"]
    change = 100 * (clusters["selected"] - clusters["pool"]).abs()
    drawn = np.abs(np.array(dots[place].y) - np.array(dots[place].customdata))
    assert sorted(drawn) == pytest.approx(sorted(change.nlargest(12)))
    axes = [*fig.select_xaxes(), *fig.select_yaxes()]
    assert {axis.tickfont.color for axis in axes} == {theme.INK}


def test_the_matrix_writes_every_overlap_once_a_square():
    fig = FIGURES["overlap_matrix"]
    value = comparison.jaccard(SETS).iloc[0, 1]
    texts = [a.text for a in fig.layout.annotations]
    assert sorted(texts) == sorted(["·", "·", f"{value:.2f}", f"{value:.2f}"])


def test_difference_bars_go_right_where_the_second_has_more():
    table = pd.DataFrame({"group": [0, 1], "pool": [9, 9], "one": [5, 2], "two": [1, 6]})
    (bars,) = review_charts.difference_bars(table, "one", "two", NAMES).data
    assert list(bars.x) == [4, -4], "the first line of the table is drawn on top"
    assert list(bars.marker.color) == [theme.ACCENT, theme.MUTED]


def test_the_least_stable_switch_is_on_top():
    fig = FIGURES["stability_figure"]
    assert fig.layout.yaxis.ticktext[-1] == STABLE.switches["switch"].iloc[0]
    dots, ticks = fig.data
    assert list(dots.x) == STABLE.table["agreement"].tolist()
    assert list(ticks.x) == STABLE.switches["agreement"].tolist()[::-1]
    texts = [a.text for a in fig.layout.annotations]
    top = STABLE.switches.iloc[0]
    assert f"{top['agreement']:.2f}  ·  {100 * top['rows']:.0f}%" in texts


def test_cost_bars_add_up_in_their_unit():
    fig = FIGURES["cost_bars"]
    lower = sum(bar.x[0] for bar in fig.data if bar.y[0] == 0)
    assert lower == pytest.approx(100 * (BILL.before + BILL.target) / BILL.full)
    time = cost_charts.cost_bars(
        pd.DataFrame([(cost.FULL_ARM, cost.FULL, 7200.0)], columns=["arm", "part", "value"]),
        "seconds",
    )
    assert list(time.data[0].x) == [2.0]
    assert time.layout.xaxis.title.text == "hours"
