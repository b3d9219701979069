"""What clusters are called on a page."""

import pytest

from dashboard.clusters.preview import distinct


@pytest.mark.parametrize(
    ("names", "losses", "expected"),
    [
        (["a · b · c", "d"], [1, 2], ["a · b · c", "d"]),
        (["a · b · c"] * 2, [0.5, 1.25], ["a · b · loss 0.50", "a · b · loss 1.25"]),
        (["a"] * 2 + ["b"], [1, 1, 1], ["a · loss 1.00 · 1", "a · loss 1.00 · 2", "b"]),
        (
            ["x" * 12 + " · " + "y" * 12] * 2,
            [1, 2],
            ["x" * 12 + " · loss 1.00", "x" * 12 + " · loss 2.00"],
        ),
        (["z" * 40] * 2, [1, 2], ["loss 1.00", "loss 2.00"]),
        (["", ""], [0.1, 0.2], ["loss 0.10", "loss 0.20"]),
    ],
)
def test_no_two_clusters_are_called_the_same(names, losses, expected):
    assert distinct(names, losses) == expected
    assert len(set(expected)) == len(expected)
