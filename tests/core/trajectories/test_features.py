import numpy as np

from core.trajectories.features import features


def test_features():
    losses = np.array([[9, 4, 2, 3], [8, 1, 1, 1]], np.float32)
    assert features(losses, "raw").tolist() == [[4, 2, 3], [1, 1, 1]]
    assert features(losses, "raw", include_start=True).shape == (2, 4)
    assert features(losses, "centred").tolist() == [[1, -1, 0], [0, 0, 0]]
    assert features(losses, "diff").tolist() == [[-2, 1], [0, 0]]
    assert np.isfinite(features(losses, "zscore")).all()
    assert features(losses[:, :2], "diff").tolist() == [[-5], [-7]], "two recordings: all there is"
