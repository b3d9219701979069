"""The loss of a step is the mean over all its response tokens, whatever the split."""

import dataclasses
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.jobs.progress import JOB_VARIABLE
from core.model import loading
from core.model.tokens import Tokens
from core.training import micro_batches
from core.training.loop import fit
from core.training.micro_batches import MicroBatches
from core.training.order import schedule
from core.training.recipe import Recipe
from core.workspace.files import read_jsonl

ROOT = pathlib.Path(__file__).parents[3]
ROWS = np.arange(70)
RECIPE = Recipe(steps=5, batch_size=32, lr=3e-3, seed=1, precision="fp32")


def rows_of_any_length():
    rng = np.random.default_rng(0)
    lengths = rng.integers(4, 40, len(ROWS))
    first = (lengths * rng.uniform(0.1, 0.9, len(ROWS))).astype(int)
    ids = rng.integers(0, 200, lengths.sum()).astype(np.uint32)
    spans = np.stack([first, lengths], 1)
    return Tokens(ids, np.cumsum([0, *lengths]), spans, np.arange(len(ROWS) + 1), 64)


DATA = rows_of_any_length()


def curve(folder, recipe=RECIPE, **parts):
    model, _ = loading.load("scratch:tiny", seed=0, texts=["a b c"])
    fit(model, DATA, ROWS, recipe, pathlib.Path(folder), stage="train", **parts)
    return [r["loss"] for r in read_jsonl(pathlib.Path(folder) / "metrics.jsonl")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return curve(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("micro_batch", [1, 4, 32])
def test_any_split_gives_the_same_loss_curve(whole, micro_batch, tmp_path, monkeypatch):
    sizes = []
    one = MicroBatches._one

    def count(self, rows, items, cast):
        sizes.append((len(rows), len(rows) * int(self.lengths[rows].max())))
        return one(self, rows, items, cast)

    monkeypatch.setattr(MicroBatches, "_one", count)
    found = curve(tmp_path, dataclasses.replace(RECIPE, micro_batch=micro_batch))
    np.testing.assert_allclose(found, whole, atol=1e-5)
    planned = schedule(DATA.lengths(), ROWS, RECIPE)
    assert sum(n for n, _ in sizes) == sum(len(rows) for rows in planned)
    assert max(padded for _, padded in sizes) <= micro_batch * DATA.lengths().max()
    assert len(sizes) == 5 if micro_batch == 32 else len(sizes) > 15


PROCESS = """
import sys
from tests.core.training.test_micro_batches import curve
curve(sys.argv[1])
"""


def test_two_processes_give_the_same_loss_curve(whole, tmp_path, unused_tcp_port_number):
    port = str(unused_tcp_port_number)
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path)],
            env={**os.environ, **group, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in both:
        said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said[-3000:]
    found = [r["loss"] for r in read_jsonl(tmp_path / "metrics.jsonl")]
    np.testing.assert_allclose(found, whole, atol=1e-5)


@pytest.fixture
def unused_tcp_port_number():
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_out_of_memory_halves_the_parts_and_goes_on(whole, tmp_path, monkeypatch, capsys):
    """The gradients of a part that did not come through are not counted twice."""
    real = micro_batches.loss

    def small(model, out, ids, labels, items, positions):
        found = real(model, out, ids, labels, items, positions)
        if ids.numel() > 300:
            found.backward()
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return found

    monkeypatch.setattr(micro_batches, "loss", small)
    found = curve(tmp_path)
    np.testing.assert_allclose(found, whole, atol=1e-5)
    assert "out of memory with" in capsys.readouterr().err


def test_a_row_that_does_not_fit_is_said_with_what_to_do(tmp_path, monkeypatch):
    def none(*args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(micro_batches, "loss", none)
    with pytest.raises(ValueError, match=r"one row of .* tokens; lower --max-length"):
        curve(tmp_path)


@given(st.lists(st.integers(1, 64), min_size=1, max_size=40), st.integers(1, 400))
def test_parts_hold_every_row_once_within_the_budget(lengths, budget):
    parts = MicroBatches.__new__(MicroBatches)
    parts.lengths, parts.budget, parts.packing = np.array(lengths), budget, False
    found = parts.split(np.arange(len(lengths)))
    assert sorted(np.concatenate(found).tolist()) == list(range(len(lengths)))
    for part in found:
        assert len(part) == 1 or len(part) * max(lengths[i] for i in part) <= budget


def broken_at(step, tmp_path, monkeypatch, value=float("nan")):
    real, calls = micro_batches.loss, []

    def bad(*args):
        calls.append(1)
        return real(*args) * (value if len(calls) == step else 1)

    monkeypatch.setattr(micro_batches, "loss", bad)
    curve(tmp_path)


def test_a_loss_that_is_nan_names_step_and_rows(tmp_path, monkeypatch):
    words = r"became nan at step 3 \(rows \d+, .*\); try a smaller --lr than 0.003"
    with pytest.raises(ValueError, match=words):
        broken_at(3, tmp_path, monkeypatch)


def test_a_loss_that_is_nan_from_the_start_is_the_models(tmp_path, monkeypatch):
    words = "the model itself gives a loss of nan on rows .* take another model$"
    with pytest.raises(InputError, match=words) as raised:
        broken_at(1, tmp_path, monkeypatch)
    assert (raised.value.failure, raised.value.fix) == ("nan-model", {}), "it is in fp32 already"


def test_a_model_that_gets_no_gradient_is_said(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="no weight gets a gradient"):
        broken_at(1, tmp_path, monkeypatch, 0.0)


def test_the_gradient_norm_is_logged(tmp_path):
    curve(tmp_path)
    assert all(r["grad_norm"] > 0 for r in read_jsonl(tmp_path / "metrics.jsonl"))


def test_the_time_left_counts_what_comes_behind_the_training(tmp_path, monkeypatch):
    monkeypatch.setenv(JOB_VARIABLE, str(tmp_path))
    told_of = []

    def after(training):
        told_of.append(training)
        return 1000.0

    curve(tmp_path / "run", after=after)
    assert len(told_of) == 5
    assert all(0 < seconds < 600 for seconds in told_of)
    told = list(read_jsonl(tmp_path / "progress.jsonl"))
    assert told[-1]["step"] == 5
    assert told[-1]["left"] >= 1000
