"""What a try of a target says."""

import pytest

from core.transfer.compare import verdict


@pytest.mark.parametrize(
    ("rho", "answer"),
    [
        ([0.9, 0.71, 0.95], "Yes: "),
        ([0.75, 0.69, 0.8], "In part: "),
        ([0.45, 0.41, 0.5], "In part: "),
        ([0.45, 0.39, 0.5], "No: "),
        ([-0.2, -0.4, 0.1], "No: "),
        ([0.6, 0.2, 0.85], "Not shown: "),
    ],
)
def test_the_answer_follows_the_interval(rho, answer):
    summary = {
        "rho": rho,
        "rows": 500,
        "k": 5,
        "ari": [0.4, 0.3, 0.5],
        "ari_proxy_ceiling": 0.8,
        "ari_chance": 0.01,
    }
    assert verdict(summary).startswith(answer)
