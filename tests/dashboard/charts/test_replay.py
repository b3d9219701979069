import numpy as np
import pandas as pd

from dashboard.charts.replay import replay


def test_a_frame_for_each_recording_and_a_line_for_each_name():
    sample = np.random.default_rng(0).random((5, 4)).astype(np.float32)
    named = {"once": sample[0], "never": sample[1] + 3}
    fig = replay([0, 10, 20, 30], pd.DataFrame({"q50": sample.mean(0)}), sample, named)
    assert [np.isfinite(f.data[1].y).sum() for f in fig.frames] == [1, 2, 3, 4]
    assert [f.name for f in fig.frames] == [s.args[0][0] for s in fig.layout.sliders[0].steps]
    assert [len(f.data) for f in fig.frames] == [4] * 4
    assert len(fig.data) == 4
    np.testing.assert_allclose(fig.data[3].y[:-1], named["never"], atol=6e-4)
    assert len(fig.data[0].x) == len(fig.frames[0].data[0].y) == 5 * (4 + 1)
    written = "".join(a.text for a in fig.layout.annotations)
    assert all(words in written for words in ("once", "never", "the middle"))
    assert fig.layout.yaxis.range[1] > named["never"].max()
