"""Drawings without a script."""

import pytest

from core.report.svg import ticks


def test_ticks_are_round_and_inside():
    assert ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert ticks(0.61, 0.64) == pytest.approx([0.61, 0.615, 0.62, 0.625, 0.63, 0.635, 0.64])
    assert ticks(3, 3) == [3]
