"""How long the test behind a training takes."""

import pytest

from core.finetune.time_after import Pace


def test_without_a_try_the_test_is_foreseen_from_what_the_run_has_met(monkeypatch):
    clock = iter([0.0, 2.0, 10.0, 13.0])
    monkeypatch.setattr("core.finetune.time_after.time.monotonic", lambda: next(clock))
    pace = Pace()
    lengths = {"lengths": [20], "max_new": 20}
    sets = [{"tokens": 500, "answered": 10, "prompt": 5.0, "times": 1, **lengths}]
    assert pace.seconds(sets) == 0.0, "nothing is known"
    with pace.reading(100):  # 0.02 s a token
        pass
    with pace.writing(lambda: 6):  # 0.5 s a step
        pass
    # 500 tokens scored, 50 read again, 20 steps that write ten answers
    assert pace.seconds(sets) == pytest.approx(10.0 + 1.0 + 20 * (0.5 + 10 * 0.02))
