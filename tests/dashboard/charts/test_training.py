import numpy as np
import pandas as pd
import pytest

from dashboard.charts import training

FRAME = pd.DataFrame(
    {
        "step": [1.0, 2, 3, 4],
        "tokens": [10.0, 30, 40, 60],
        "loss": [4.0, 2, 3, 1],
        "lr": [1e-4, 2e-4, 1e-4, 0],
        "held_out": [np.nan, 3.5, np.nan, 3.0],
    }
)


def test_training_and_held_out_loss_stand_on_one_axis():
    fig = training.losses([training.Curve("a", FRAME, "#5b78ea")], "tokens", 0.5)
    raw, smooth, looks = fig.data
    assert list(raw.x) == [10, 30, 40, 60]
    assert list(raw.y) == [4, 2, 3, 1]
    assert list(smooth.y) == [4, 3, 2.5, 2]  # of this point and the one before it
    assert list(zip(looks.x, looks.y, strict=True)) == [(30, 3.5), (60, 3.0)]
    assert fig.layout.xaxis.title.text == "tokens trained on"


def test_other_runs_stand_beside_it_by_name():
    other = training.Curve("b", FRAME.drop(columns="tokens"), "#009e73")
    fig = training.losses([training.Curve("a", FRAME, "#5b78ea"), other], "step", 0)
    words = [a.text for a in fig.layout.annotations]
    assert sum("b training" in w for w in words) == 1
    only = training.losses([training.Curve("a", FRAME, "#5b78ea"), other], "tokens", 0)
    assert not any("b training" in a.text for a in only.layout.annotations), "it has no tokens"


@pytest.mark.parametrize("n", [0, 1, 400, 401, 5000])
def test_a_long_run_is_thinned_to_means_with_its_last_point(n):
    x, y = training.thinned(pd.Series(np.arange(n)), pd.Series(np.arange(n) % 2))
    assert len(x) == len(y) <= training.POINTS
    assert n == 0 or x[-1] == n - 1
    if n == 5000:
        assert y[1:] == pytest.approx(np.full(len(y) - 1, 0.5), abs=0.05)


def test_nothing_measured_yet_is_an_empty_chart():
    empty = FRAME[:0]
    assert not training.losses([training.Curve("a", empty, "#5b78ea")], "step").data[0].x.size
    assert training.small(FRAME, "lr", "learning rate").data[0].y.tolist() == FRAME["lr"].tolist()
