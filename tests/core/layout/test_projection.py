import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from benchmarks import explore


def test_trust_of_all_rows_is_that_of_the_library():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    for xy in (x[:, :2], rng.normal(size=(200, 2)).astype(np.float32)):
        expected = trustworthiness(x, xy, n_neighbors=explore.NEIGHBOURS)
        assert explore.trust_of_all(x, xy, np.arange(200)) == pytest.approx(expected)
