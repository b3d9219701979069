"""Losses that are not finite flag their rows, or end the run."""

import gc

import numpy as np
import pytest

from core import trajectories
from core.model import scoring
from core.model.scoring import Scores
from core.trajectories import recorder
from core.trajectories.artifact import load_flags, load_losses
from tests.conftest import TRAIN

pytestmark = pytest.mark.usefixtures("quick")


def test_a_loss_that_is_not_finite_flags_its_row_and_the_run_goes_on(finished, monkeypatch):
    whole = finished.workspace.open(finished.trajectories)
    row = int(np.flatnonzero(load_flags(whole)["flag"] == "")[5])
    true, recordings = scoring.score, 0

    def score(model, tokens, rows, **more):
        nonlocal recordings
        recordings += 1
        found = true(model, tokens, rows, **more)
        if recordings == 2:
            found.losses[rows == row] = np.inf
        return found

    monkeypatch.setattr(recorder, "score", score)
    settings = trajectories.Settings(dataset=finished.dataset, **TRAIN)
    made = finished.workspace.open(trajectories.run(finished.workspace, settings))
    flags = load_flags(made)
    assert flags["flag"][row] == "loss not finite"
    assert made.summary["unmeasurable"] == whole.summary["unmeasurable"] + 1
    assert made.summary["measured"] == whole.summary["measured"] - 1
    others = np.arange(len(flags)) != row
    np.testing.assert_array_equal(load_losses(made)[others], load_losses(whole)[others])


def test_a_run_without_one_finite_loss_names_the_learning_rate(finished, monkeypatch):
    monkeypatch.setattr(
        recorder,
        "score",
        lambda model, tokens, rows, **more: Scores(
            np.full(len(rows), np.nan, np.float32), np.zeros((len(rows), 1), np.float16)
        ),
    )
    settings = trajectories.Settings(dataset=finished.dataset, **TRAIN, seed=9)
    with pytest.raises(ValueError, match=r"no row has a finite loss .*smaller --lr"):
        trajectories.run(finished.workspace, settings)
    (left,) = [e for e in finished.workspace.entries() if e.state == "unfinished"]
    gc.collect()  # the failed run's hold on its draft lives as long as its frames
    finished.workspace.delete(left.id)
