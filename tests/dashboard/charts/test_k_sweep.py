import numpy as np
import pandas as pd

from dashboard.charts import k_sweep as k_sweep_charts


def test_sweep_shows_every_seed_and_the_mean():
    table = pd.DataFrame(
        [
            {"k": k, "seed": s, "inertia": 90 / k + s, "silhouette": np.nan, "balance": 0.9}
            for k in (5, 10)
            for s in (0, 1)
        ]
    )
    mean, dots, *_ = k_sweep_charts.sweep_curves(table, 10).data
    assert list(mean.y) == [18.5, 9.5]
    assert list(dots.y) == [18, 19, 9, 10]
    assert list(dots.customdata) == [0, 1, 0, 1]


def test_agreement_is_written_where_it_was_measured():
    table = pd.DataFrame([[0.9, np.nan], [0.7, 0.8]], [5, 10], [5, 10])
    fig = k_sweep_charts.sweep_agreement(table)
    written = {(note.y, note.x): note.text for note in fig.layout.annotations[:-1]}
    assert written == {(0, 0): "<b>0.90</b>", (1, 0): "0.70", (1, 1): "<b>0.80</b>"}
    assert np.asarray(fig.data[0].customdata)[1, 0].tolist() == [5, 10]
