"""Looks change nothing, decide what they are asked to, and are as they were after a resume."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from transformers import TrainerCallback, integrations

from core.errors import InputError
from core.jobs.progress import Stopped
from core.model import loading
from core.model.scoring import score
from core.training.loop import fit
from core.training.recipe import Recipe
from core.training.watch import Watch
from core.workspace.files import read_jsonl
from tests.core.training.test_micro_batches import DATA

RECIPE = Recipe(steps=6, batch_size=16, lr=3e-3, seed=1, precision="fp32")
HELD_OUT, TRAINED = np.arange(60, 70), np.arange(40)
EXACT = ("step", "loss", "lr", "grad_norm", "held_out")


def train(folder, recipe=RECIPE, every=2, **how):
    """Train in a folder; return the model and how it went."""
    model, _ = loading.load("scratch:tiny", seed=0, texts=["a b c"])
    fitted = {k: how.pop(k) for k in ("tensorboard", "trackers") if k in how}
    told = {"answers": lambda: [{"said": "yes"}], **how}
    watch = Watch(tokens=DATA, rows=HELD_OUT, every=every, **told) if every else None
    done = fit(model, DATA, TRAINED, recipe, folder, stage="train", watch=watch, **fitted)
    return model, done


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def lines(folder):
    """What a resumed run must have as one that was never stopped."""
    return [{k: r[k] for k in EXACT if k in r} for r in read_jsonl(folder / "metrics.jsonl")]


def looks(folder):
    return {r["step"]: r["loss"] for r in read_jsonl(folder / "looks.jsonl")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, *train(folder, tensorboard=True)


def test_looks_change_nothing_in_training(whole, tmp_path):
    model, done = train(tmp_path, every=0)
    assert torch.equal(weights(model), weights(whole[1]))
    assert (done.steps, done.kept, done.loss) == (6, 6, whole[2].loss)


def test_what_is_seen_is_the_loss_of_the_held_out_rows(whole):
    folder, model, done = whole
    seen = looks(folder)
    assert list(seen) == [0, 2, 4, 6]
    assert seen[6] == pytest.approx(float(score(model, DATA, HELD_OUT).losses.mean()), abs=1e-6)
    found = lines(folder)
    assert {r["step"]: r["held_out"] for r in found if "held_out" in r} == seen
    assert [r["step"] for r in found] == list(range(7))
    assert all(r["grad_norm"] > 0 for r in found[1:])
    assert done.loss == found[-1]["loss"], "the last step's, not the run's mean"
    assert next(read_jsonl(folder / "looks.jsonl"))["answers"] == [{"said": "yes"}]


@pytest.mark.parametrize("steps_before_stop", [1, 3])
def test_a_resumed_run_has_seen_the_same(whole, tmp_path, stop_after, steps_before_stop):
    with stop_after(steps_before_stop), pytest.raises(Stopped):
        train(tmp_path, tensorboard=True)
    model, _ = train(tmp_path, tensorboard=True)
    assert torch.equal(weights(model), weights(whole[1]))
    assert lines(tmp_path) == lines(whole[0])
    assert looks(tmp_path) == looks(whole[0])
    assert shown(tmp_path) == shown(whole[0]), "TensorBoard has every step once"


def shown(folder):
    """Return what TensorBoard's files hold: (tag, step, value), but for speed and memory."""
    from tensorboardX.proto.event_pb2 import Event

    (file,) = (folder / "tensorboard").iterdir()
    data, at, out = file.read_bytes(), 0, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 8], "little")
        event = Event.FromString(data[at + 12 : at + 12 + size])
        out += [(v.tag, event.step, v.simple_value) for v in event.summary.value]
        at += 16 + size
    return [row for row in out if "second" not in row[0] and "memory" not in row[0]]


WILD = dataclasses.replace(RECIPE, lr=0.5, lr_schedule="constant", warmup=0.0)
"""Held-out loss rises at once."""


@pytest.fixture(scope="module")
def early(tmp_path_factory):
    folder = tmp_path_factory.mktemp("early")
    return folder, *train(folder, WILD, every=1, patience=2, best=True)


def test_training_ends_when_looks_no_longer_help_and_the_best_weights_are_put_back(early):
    folder, model, done = early
    seen = looks(folder)
    best = min(seen, key=seen.get)
    assert (done.steps, done.kept) == (best + 2, best)
    assert done.steps < 6
    found = float(score(model, DATA, HELD_OUT).losses.mean())
    assert found == pytest.approx(seen[best], abs=1e-6)


def test_ending_early_is_resumed_as_if_never_stopped(early, tmp_path, stop_after):
    with stop_after(1), pytest.raises(Stopped):
        train(tmp_path, WILD, every=1, patience=2, best=True)
    model, done = train(tmp_path, WILD, every=1, patience=2, best=True)
    assert torch.equal(weights(model), weights(early[1]))
    assert done._replace(seconds=0.0) == early[2]._replace(seconds=0.0)
    assert lines(tmp_path) == lines(early[0])


def test_weights_are_kept_every_so_often(tmp_path):
    kept = []
    train(tmp_path, every=6, keep=(2, kept.append))
    assert kept == [2, 4], "the last are the result"


def test_a_held_out_loss_that_is_no_number_ends_the_run(tmp_path, monkeypatch):
    nan = type("Scores", (), {"losses": np.array([math.nan])})
    monkeypatch.setattr("core.training.watching.score", lambda *args, **kwargs: nan)
    with pytest.raises(InputError, match="held-out loss is nan after step 0") as raised:
        train(tmp_path)
    assert raised.value.failure == "nan"


def test_trackers_are_told_what_is_known_of_every_step(whole, tmp_path, monkeypatch):
    told = []

    class Tracker(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            told.append({"step": state.global_step, **logs})

    monkeypatch.setitem(integrations.integration_utils.INTEGRATION_TO_CALLBACK, "trackio", Tracker)
    train(tmp_path, trackers=["trackio"])
    steps = [t for t in told if "loss" in t]
    assert [t["loss"] for t in steps] == [r["loss"] for r in lines(whole[0])[1:]]
    assert [t["step"] for t in steps if "held_out" in t] == [2, 4, 6]
    assert {"grad_norm", "lr", "tokens/s", "memory"} <= steps[0].keys()
