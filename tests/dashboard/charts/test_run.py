import re

from dashboard.charts import run as run_charts
from tests.dashboard.charts.conftest import QUANTILES, STEPS


def frame(fig):
    """What must stay where it is while a run goes on: axes, margins, height."""
    x, y, margin = fig.layout.xaxis, fig.layout.yaxis, fig.layout.margin
    return x.range, y.range[0], y.automargin, margin.l, margin.r, margin.t, fig.layout.height


def test_the_ribbon_grows_to_the_right_over_the_whole_plan_and_nothing_moves():
    table, plan = QUANTILES.assign(step=STEPS), [*STEPS, 90]
    grown = [run_charts.growing(table.head(n), plan) for n in range(5)]
    assert {frame(fig)[:1] + frame(fig)[2:] for fig in grown} == {
        frame(grown[0])[:1] + frame(grown[0])[2:]
    }
    assert len({(fig.layout.yaxis.range) for fig in grown[1:]}) == 1, (
        "the first recording is the highest"
    )
    assert grown[0].layout.xaxis.range == (0, 90)
    for n, fig in enumerate(grown):
        to_come, done = (list(trace.x) for trace in fig.data[-2:])
        assert (done, to_come) == (STEPS[:n], plan[n:])


def test_the_first_recording_alone_can_be_seen():
    fig = run_charts.growing(QUANTILES.assign(step=STEPS).head(1), STEPS)
    spans = [list(t.y) for t in fig.data if list(t.x) == [0, 0] and t.line.width]
    assert spans == [[2, 5], [2.5, 4]]
    assert any("markers" in t.mode and list(t.y) == [3] for t in fig.data)


def test_cost_is_one_bar_whose_parts_are_named_and_add_up():
    fig = run_charts.cost_split({"tokenise": 3.0, "train": 420.0, "record": 297.0})
    assert [trace.x[0] for trace in fig.data] == [3, 420, 297]
    assert fig.layout.xaxis.range == (0, 720)
    (words,) = (re.sub("<[^>]*>", "", note.text) for note in fig.layout.annotations)
    assert words.split("    ") == [
        "Took 12 min",
        "■ tokenise 3 s",
        "■ train 7 min 0 s",
        "■ record 4 min 57 s",
    ]


def test_a_run_of_no_time_has_a_bar_too():
    assert run_charts.cost_split({"train": 0.0}).layout.xaxis.range[1] > 0
