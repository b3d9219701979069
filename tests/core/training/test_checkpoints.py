"""A checkpoint counts when it can be read back; one for which there is no room is not begun."""

import shutil
from collections import namedtuple

import numpy as np
import pytest
import torch

from core.errors import InputError
from core.jobs.progress import Stopped
from core.model import loading
from core.training import trainer
from core.training.checkpoints import damage, newest_complete, newest_whole
from core.training.loop import fit
from core.training.recipe import Recipe
from tests.core.training.test_micro_batches import DATA

RECIPE = Recipe(steps=4, batch_size=16, lr=3e-3, seed=1, precision="fp32", save_seconds=0.0)
ROWS = np.arange(40)


def train(folder, recipe=RECIPE, change=lambda model: None):
    model, _ = loading.load("scratch:tiny", seed=0, texts=["a b c"])
    change(model)
    fit(model, DATA, ROWS, recipe, folder, stage="train")
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    train(folder)
    return folder / "checkpoints" / "checkpoint-4"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("model.safetensors", "model.safetensors"),
        ("optimizer.pt", "optimizer.pt is missing or cut off"),
        ("scheduler.pt", "scheduler.pt is missing or cut off"),
        ("rng_state.pth", "rng_state.pth is missing or cut off"),
        ("trainer_state.json", "trainer_state.json is of step None"),
    ],
)
@pytest.mark.parametrize("cut", [True, False])
def test_what_cannot_be_read_back_is_named(saved, tmp_path, file, words, cut):
    assert damage(saved) == ""
    folder = shutil.copytree(saved, tmp_path / "checkpoint-4")
    if cut:
        (folder / file).write_bytes((saved / file).read_bytes()[:-9])
    else:
        (folder / file).unlink()
    assert words in damage(folder) or damage(folder) == "no weights"
    assert newest_complete(tmp_path) == folder
    assert newest_whole(tmp_path) is None
    shutil.copytree(saved, tmp_path / "checkpoint-3")
    assert newest_whole(tmp_path) is None, "it says that it is of step 4"


def test_a_full_disk_is_seen_before_a_checkpoint_is_begun(tmp_path, monkeypatch):
    train(tmp_path, Recipe(**{**RECIPE.__dict__, "steps": 2}))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, 1000))
    with pytest.raises(InputError, match="0 MiB are free on the disk") as raised:
        train(tmp_path)
    assert raised.value.failure == "disk-full"
    assert [p.name for p in (tmp_path / "checkpoints").glob("checkpoint-*")] == ["checkpoint-2"]
    monkeypatch.undo()
    train(tmp_path)
    assert newest_whole(tmp_path / "checkpoints").name == "checkpoint-4"


def test_one_that_was_not_written_whole_leaves_the_one_before_it(tmp_path, monkeypatch):
    train(tmp_path, Recipe(**{**RECIPE.__dict__, "steps": 2}))
    monkeypatch.setattr(trainer.StepTrainer, "_save_rng_state", lambda self, folder: None)
    with pytest.raises(InputError, match="step 3 cannot be read back"):
        train(tmp_path)
    assert newest_whole(tmp_path / "checkpoints").name == "checkpoint-2"


def test_nothing_to_train_is_refused(tmp_path):
    with pytest.raises(InputError, match="no weight that would be trained"):
        train(tmp_path, change=lambda model: model.requires_grad_(False))


def test_a_gradient_that_is_no_number_touches_no_weight(tmp_path, monkeypatch):
    real, seen = trainer.MicroBatches.backward, []

    def spoiled(self, rows, items, cast):
        found = real(self, rows, items, cast)
        seen.append(torch.cat([p.detach().flatten() for p in self.model.parameters()]))
        if len(seen) == 3:
            next(self.model.parameters()).grad[0, 0] = torch.inf
        return found

    monkeypatch.setattr(trainer.MicroBatches, "backward", spoiled)
    models = []
    words = r"norm of the gradients became inf at step 3 \(rows .*try a smaller --lr than 0.003"
    with pytest.raises(InputError, match=words) as raised:
        train(tmp_path, change=models.append)
    assert (raised.value.failure, raised.value.fix) == ("nan", {"lr": 0.0003})
    now = torch.cat([p.detach().flatten() for p in models[0].parameters()])
    assert torch.equal(now, seen[-1])


def test_stopping_keeps_or_discards(tmp_path, monkeypatch):
    job = tmp_path / "job"
    job.mkdir()
    monkeypatch.setenv("S2L_JOB", str(job))
    quiet = Recipe(**{**RECIPE.__dict__, "save_seconds": 60.0})
    for said, kept in (("", ["checkpoint-1"]), ("discard", [])):
        (job / "STOP").write_text(said)
        with pytest.raises(Stopped, match=r"stopped at step 1 of 4; (saved|discarded)"):
            train(tmp_path / f"run{said}", quiet)
        folder = tmp_path / f"run{said}" / "checkpoints"
        assert [p.name for p in folder.glob("checkpoint-*")] == kept
