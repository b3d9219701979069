"""A study's forecast against what its fine-tunes took."""

import numpy as np
import pytest

from core import study
from core.settings import from_config
from core.study import plan, time_estimate


def test_new_runs_take_what_their_steps_and_the_rest_took_before(copied):
    config = copied.workspace.open(copied.study).config
    opened = plan.open_study(copied.workspace, from_config(study.Settings, config))
    planned = plan.runs(opened)
    earlier = [
        copied.workspace.open(e.id)
        for e in copied.workspace.entries("finetune")
        if e.config["batch_size"] == config["batch_size"]
    ]
    step = np.median([e.summary["train_seconds"] / e.summary["steps"] for e in earlier])
    rest = np.median([e.manifest["seconds"] - e.summary["train_seconds"] for e in earlier])
    seconds = time_estimate.seconds_of(copied.workspace, opened, planned, 40)
    assert seconds == pytest.approx(len(planned) * (40 * step + rest))
    assert time_estimate.seconds_of(copied.workspace, opened, [], 40) == 0
