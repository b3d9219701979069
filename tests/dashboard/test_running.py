import types

import pytest

from core import jobs
from core.store import Workspace
from dashboard import running, state


@pytest.fixture
def headline(monkeypatch, tmp_path):
    monkeypatch.setattr(state, "workspace", lambda: Workspace(tmp_path))

    def line(*records):
        made = [{"left": None, **r} for r in records]
        monkeypatch.setattr(jobs, "progress", lambda workspace, id: (dict(r) for r in made))
        return running.headline(types.SimpleNamespace(id="x"))

    return line


TRAINING = {"stage": "train proxy", "step": 30, "total": 120, "loss": 2.5, "left": 90.0}


def test_before_anything_is_reported_it_says_so(headline):
    assert headline() == (0.0, "starting (loading the libraries takes some seconds)")


def test_training_says_step_loss_and_time_left(headline):
    words = "train proxy: 30 of 120 · loss 2.500 · about 1 min 30 s left"
    assert headline(TRAINING) == (0.25, words)


def test_a_recording_inside_the_training_stands_beside_it(headline):
    share, words = headline(TRAINING, {"stage": "record 2/13", "step": 50, "total": 200})
    assert share == 0.25
    assert "loss" not in words, "it stands still meanwhile"
    assert words.endswith("about 1 min 30 s left · record 2/13, 25%")


def test_a_stage_of_its_own_has_its_own_bar(headline):
    assert headline(TRAINING, {"stage": "layout", "step": 1, "total": 4}) == (
        0.25,
        "layout: 1 of 4",
    )
