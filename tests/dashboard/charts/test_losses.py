import numpy as np
import pandas as pd

from dashboard.charts import losses as loss_charts
from tests.dashboard.charts.conftest import QUANTILES, RNG, STEPS
from tests.dashboard.charts.test_run import frame


def test_overview_draws_fifty_strands_as_one_trace():
    fig = loss_charts.trajectory_overview(STEPS, QUANTILES, RNG.random((400, 4)))
    assert len(fig.data) == 4
    assert np.isnan(np.asarray(fig.data[2].y, float)).sum() == 50


def test_overview_without_samples_still_draws_the_quantiles():
    assert len(loss_charts.trajectory_overview(STEPS, QUANTILES, np.empty((0, 4))).data) == 3


def test_source_curves_keep_the_twelve_largest():
    means = pd.DataFrame(RNG.random((15, 4)), index=[f"s{i:02}" for i in range(15)], columns=STEPS)
    fig = loss_charts.source_curves(STEPS, means, pd.Series(range(15), index=means.index))
    assert len(fig.data) == 12
    assert not any("s02" in note.text for note in fig.layout.annotations)


def test_live_loss_marks_every_recorded_column():
    marks = loss_charts.live_loss(pd.DataFrame({"step": [1, 2], "loss": [3.0, 2.0]}), [0, 2]).data[
        -1
    ]
    assert list(marks.x) == [0, 2]


def test_live_loss_before_the_first_step_is_an_empty_chart():
    assert loss_charts.live_loss(pd.DataFrame({"step": [], "loss": []}), []).layout.height > 0


def test_a_running_loss_curve_keeps_its_frame():
    curve = pd.DataFrame({"step": [1, 2, 3], "loss": [3.0, 2, 1]})
    figures = [loss_charts.live_loss(curve.head(n), [0], last_step=50) for n in (1, 2, 3)]
    assert len({frame(fig) for fig in figures}) == 1
    assert figures[0].layout.xaxis.range == (0, 50)
    assert loss_charts.live_loss(curve, [0]).layout.xaxis.range == (0, 3)
