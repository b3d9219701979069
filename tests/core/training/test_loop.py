import dataclasses
import json
import os
import pathlib
import shutil
import time

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from core.errors import InputError
from core.finetune.generate import generate, questions
from core.jobs import progress
from core.jobs.progress import Stopped
from core.model import adapters, loading, tokens
from core.model.pool_texts import pool_texts
from core.model.scoring import score
from core.model.templates import renderer
from core.training import keeper, loop
from core.training.checkpoints import COMPLETE, newest_complete
from core.training.loop import fit
from core.training.recipe import Recipe
from core.trajectories import recorder
from core.trajectories.epoch_recorder import EpochRecorder
from core.trajectories.recorder import TrajectoryRecorder, fallen
from core.workspace.files import append_jsonl, read_json, read_jsonl

ROWS = np.arange(0, 150, 2)
SMOLLM2 = "S2L_SMOLLM2"
"""Environment variable: a folder with the weights of SmolLM2-135M-Instruct, where there is one."""
RECIPE = Recipe(steps=9, batch_size=16, lr=3e-3, seed=1)  # five steps an epoch


@pytest.fixture(scope="module")
def texts(finished):
    return pool_texts(finished.workspace.open(finished.dataset), "scratch:tiny")


@pytest.fixture(scope="module")
def data(finished, texts):
    _, tokenizer = loading.load("scratch:tiny", seed=0, texts=texts)
    dataset = finished.workspace.open(finished.dataset)
    return tokens.tokenize(finished.workspace, dataset, tokenizer, "plain", 64)


def weights(model):
    return torch.cat([p.detach().cpu().flatten() for p in model.parameters()])


@pytest.fixture(scope="module")
def fitted(data, texts):
    """Train in a folder; return the weights."""

    def train(folder, recipe=RECIPE, record=True, keep=False):
        model, _ = loading.load("scratch:tiny", seed=0, texts=texts)
        recorder = TrajectoryRecorder(data, folder, 4, ROWS, precision=recipe.precision, keep=keep)
        recorder = recorder if record else None
        fit(model, data, ROWS, recipe, folder, stage="train", recorder=recorder)
        return weights(model)

    return train


@pytest.fixture(scope="module")
def whole(fitted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, fitted(folder)


def test_recording_changes_nothing_in_training(whole, fitted, tmp_path):
    assert torch.equal(fitted(tmp_path, record=False), whole[1])


def test_in_bf16_it_learns_and_records_nearly_the_same(whole, fitted, tmp_path):
    half = dataclasses.replace(RECIPE, precision="bf16")
    trained = fitted(tmp_path, half)
    assert trained.dtype == torch.float32
    assert not torch.equal(trained, whole[1])
    losses, expected = (np.load(f / "losses.npy")[ROWS] for f in (tmp_path, whole[0]))
    np.testing.assert_allclose(losses, expected, atol=0.1)
    assert np.abs(losses[:, 0] - expected[:, 0]).max() < 0.02, "the same untrained weights"


def test_what_is_recorded(whole, data):
    folder = whole[0]
    model, _ = loading.load("scratch:tiny", seed=0, texts=[])
    losses, steps = np.load(folder / "losses.npy"), np.load(folder / "steps.npy")
    assert steps.tolist() == [0, 3, 6, 9]
    assert losses.shape == (len(data), 4)
    assert losses.dtype == np.float32
    assert np.isfinite(losses[ROWS]).all()
    assert np.isnan(np.delete(losses, ROWS, 0)).all()
    assert losses[ROWS, -1].mean() < losses[ROWS, 0].mean() - 0.5, "it learned"
    columns = list(read_jsonl(folder / "columns.jsonl"))
    assert [c["step"] for c in columns] == steps.tolist()
    assert all(len(c["quantiles"]) == 5 and len(c["sha256"]) == 64 for c in columns)
    pooled = np.load(folder / "pooled.npy")
    assert pooled.dtype == np.float16
    assert pooled.shape == (len(data), model.config.hidden_size)
    logged = list(read_jsonl(folder / "metrics.jsonl"))
    assert [r["step"] for r in logged] == list(range(1, 10))
    assert logged[0]["lr"] < max(r["lr"] for r in logged) <= RECIPE.lr


def test_training_seconds_leave_recordings_out_and_go_on_after_a_resume(
    data, texts, tmp_path, stop_after, monkeypatch
):
    """Recordings last 0.3 s and steps 0.1 s, whatever the machine."""

    def slow_score(*args, **kwargs):
        time.sleep(0.3)
        return score(*args, **kwargs)

    def slow_step(self, *args, **kwargs):
        time.sleep(0.1)
        return step(self, *args, **kwargs)

    step = keeper.Keeper.on_step_end
    monkeypatch.setattr(recorder, "score", slow_score)
    monkeypatch.setattr(keeper.Keeper, "on_step_end", slow_step)

    def train(folder):
        model, _ = loading.load("scratch:tiny", seed=0, texts=texts)
        began = time.monotonic()
        watch = TrajectoryRecorder(data, folder, 4, ROWS)
        took = fit(model, data, ROWS, RECIPE, folder, stage="train", recorder=watch).seconds
        return took, time.monotonic() - began - sum(watch.seconds)

    took, most = train(tmp_path / "whole")
    assert 0.9 <= took <= most
    with stop_after(5), pytest.raises(Stopped):
        train(tmp_path / "stopped")
    saved = read_json(tmp_path / "stopped" / "checkpoints" / "checkpoint-5" / COMPLETE)
    assert saved["train_seconds"] >= 0.5
    resumed, _ = train(tmp_path / "stopped")
    assert resumed >= saved["train_seconds"] + 0.4, "four steps were left"


def test_progress_says_how_many_rows_and_tokens_a_second(fitted, data, tmp_path, monkeypatch):
    """Of training and of recording apart; checked against the clock they are measured by."""
    monkeypatch.setenv("S2L_JOB", str(tmp_path))
    updates = []

    class Every(progress.Progress):
        def update(self, done, **metrics):
            updates.append((self.stage, done, metrics))

    monkeypatch.setattr(loop, "Progress", Every)
    monkeypatch.setattr(recorder, "Progress", Every)
    fitted(tmp_path / "run")
    length = data.lengths()[ROWS].sum() / len(ROWS)
    trained = [m for stage, done, m in updates if stage == "train" and m]
    assert len(trained) == RECIPE.steps
    assert all(m["rows/s"] > 0 and m["tokens/s"] > m["rows/s"] for m in trained)
    whole = [m for stage, done, m in updates if stage.startswith("record") and done == len(ROWS)]
    assert len(whole) == 4
    for m in whole:
        assert m["tokens/s"] / m["rows/s"] == pytest.approx(length, rel=0.05)


@pytest.mark.parametrize("looks", [2, 5, 7])
def test_stopped_and_resumed_is_as_if_never_stopped(whole, fitted, tmp_path, stop_after, looks):
    with stop_after(looks), pytest.raises(Stopped, match=f"stopped at step {looks} of 9; saved"):
        fitted(tmp_path)
    assert newest_complete(tmp_path / "checkpoints").name == f"checkpoint-{looks}"
    late = {"column": 3, "step": 9, "sha256": "past the step resumed from"}
    append_jsonl(tmp_path / "columns.jsonl", late)
    append_jsonl(tmp_path / "metrics.jsonl", {"step": 9, "loss": 0.0, "lr": 0.0})
    assert torch.equal(fitted(tmp_path), whole[1])
    for name in ("losses.npy", "steps.npy", "pooled.npy"):
        np.testing.assert_array_equal(np.load(tmp_path / name), np.load(whole[0] / name))
    for name, kept in (("columns.jsonl", "sha256"), ("metrics.jsonl", "loss")):
        parts = [[(r["step"], r[kept]) for r in read_jsonl(f / name)] for f in (tmp_path, whole[0])]
        assert parts[0] == parts[1]


def kept(folder):
    return {
        int(p.name.split("-")[1]): (p / "model.safetensors").read_bytes()
        for p in (folder / "kept").iterdir()
    }


def test_the_weights_kept_are_those_of_the_recordings_and_change_nothing(
    whole, fitted, data, tmp_path, stop_after
):
    assert torch.equal(fitted(tmp_path / "kept", keep=True), whole[1])
    losses = np.load(tmp_path / "kept" / "losses.npy")
    np.testing.assert_array_equal(losses, np.load(whole[0] / "losses.npy"))
    assert not (whole[0] / "kept").exists()
    assert sorted(kept(tmp_path / "kept")) == [0, 3, 6, 9]
    for column, step in enumerate([0, 3, 6, 9]):
        model = loading.load_weights(str(tmp_path / "kept" / "kept" / f"checkpoint-{step}"))
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        np.testing.assert_array_equal(score(model, data, ROWS).losses, losses[ROWS, column])
    with stop_after(5), pytest.raises(Stopped):
        fitted(tmp_path / "stopped", keep=True)
    for late in ("checkpoint-6", "checkpoint-7"):  # one being written when it was killed, one stray
        (tmp_path / "stopped" / "kept" / late).mkdir()
        (tmp_path / "stopped" / "kept" / late / "model.safetensors").write_bytes(b"torn")
    fitted(tmp_path / "stopped", keep=True)
    assert kept(tmp_path / "stopped") == kept(tmp_path / "kept")


def test_only_complete_checkpoints_are_resumed_from_and_only_the_newest_kept(
    whole, fitted, tmp_path, stop_after
):
    hasty = Recipe(**{**RECIPE.__dict__, "save_seconds": 0.0})
    with stop_after(4), pytest.raises(Stopped):
        fitted(tmp_path, hasty)
    checkpoints = tmp_path / "checkpoints"
    assert [p.name for p in checkpoints.glob("checkpoint-*")] == ["checkpoint-4"]
    broken = checkpoints / "checkpoint-8"  # killed while saving
    shutil.copytree(checkpoints / "checkpoint-4", broken)
    (broken / "COMPLETE").unlink()
    (broken / "model.safetensors").write_bytes(b"")
    assert newest_complete(checkpoints).name == "checkpoint-4"
    assert torch.equal(fitted(tmp_path), whole[1])


def test_a_run_that_had_saved_its_last_step_is_not_trained_further(whole, fitted, tmp_path):
    hasty = Recipe(**{**RECIPE.__dict__, "save_seconds": 0.0})
    assert torch.equal(fitted(tmp_path, hasty), whole[1])
    assert newest_complete(tmp_path / "checkpoints").name == "checkpoint-9"
    assert torch.equal(fitted(tmp_path), whole[1])
    np.testing.assert_array_equal(
        np.load(tmp_path / "losses.npy"), np.load(whole[0] / "losses.npy")
    )


def test_a_resumed_run_whose_columns_are_gone_says_so(fitted, tmp_path, stop_after):
    with stop_after(4), pytest.raises(Stopped):
        fitted(tmp_path)
    (tmp_path / "columns.jsonl").unlink()
    with pytest.raises(ValueError, match=r"columns for steps \[0, 3\] are missing"):
        fitted(tmp_path)


def test_a_run_whose_folder_is_deleted_ends_and_does_not_make_it_again(
    fitted, tmp_path, monkeypatch
):
    folder, step = tmp_path / "run.partial", keeper.Keeper.on_step_end
    folder.mkdir()
    (folder / "run.json").write_text("{}")

    def delete(self, args, state, *rest, **more):
        if state.global_step == 5:
            shutil.rmtree(folder)
        return step(self, args, state, *rest, **more)

    monkeypatch.setattr(keeper.Keeper, "on_step_end", delete)
    with pytest.raises(InputError, match="was deleted while it was at work"):
        fitted(folder)
    assert not folder.exists()


def test_a_loss_that_is_not_finite_ends_the_run_with_advice(fitted, tmp_path):
    wild = Recipe(**{**RECIPE.__dict__, "lr": 1e18, "weight_decay": 1.0})
    with pytest.raises(ValueError, match=r"became nan at step .*smaller --lr"):
        fitted(tmp_path, wild)


def test_the_recorder_works_in_a_strangers_trainer(data, texts, tmp_path):
    model, _ = loading.load("scratch:tiny", seed=0, texts=texts)
    recorder = TrajectoryRecorder(data, tmp_path / "new" / "folder", 3)
    args = TrainingArguments(
        output_dir=str(tmp_path), max_steps=4, report_to=[], save_strategy="no", disable_tqdm=True
    )
    args.remove_unused_columns = False

    def collate(rows):
        ids, mask = tokens.pad(data, np.array(rows), pad_id=0)
        labels = np.where(mask, ids, -100)
        return {"input_ids": torch.from_numpy(ids), "labels": torch.from_numpy(labels)}

    Trainer(
        model=model,
        args=args,
        train_dataset=list(range(20)),
        data_collator=collate,
        callbacks=[recorder],
    ).train()
    assert recorder.steps.tolist() == [0, 2, 4]
    losses = np.load(tmp_path / "new" / "folder" / "losses.npy")
    assert np.isfinite(losses).sum() == 3 * (data.response_lengths() > 0).sum()


def test_the_schedule_has_every_row_once_an_epoch_in_batches_of_like_length():
    rng = np.random.default_rng(0)
    lengths, rows = rng.integers(5, 500, 2000), np.arange(100, 1999)
    recipe = Recipe(steps=250, batch_size=16, lr=1.0, seed=3)
    steps = loop.schedule(lengths, rows, recipe)
    assert len(steps) == 250
    for epoch in (steps[:119], steps[119:238]):  # ceil(1899 / 16)
        assert sorted(np.concatenate(epoch).tolist()) == rows.tolist()
    assert [b.tolist() for b in steps[:119]] != [b.tolist() for b in steps[119:238]]
    padded = sum(len(b) * lengths[b].max() for b in steps)
    assert padded < 1.1 * sum(lengths[b].sum() for b in steps)
    firsts = np.array([lengths[b].mean() for b in steps[:40]])
    assert np.abs(np.diff(firsts)).mean() > 50, "batches come mixed, not from short to long"
    again = loop.schedule(lengths, rows, recipe)
    assert all((a == b).all() for a, b in zip(steps, again, strict=True))


def test_a_stop_file_stops(fitted, tmp_path, monkeypatch):
    job = tmp_path / "job"
    job.mkdir()
    (job / "STOP").touch()
    monkeypatch.setenv("S2L_JOB", str(job))
    with pytest.raises(Stopped):
        fitted(tmp_path / "run")
    records = [json.loads(line) for line in (job / "progress.jsonl").read_text().splitlines()]
    assert {r["stage"] for r in records} == {"train"}
    assert pathlib.Path(tmp_path / "run" / "checkpoints" / "checkpoint-1" / "COMPLETE").exists()


def test_equal_loss_records_where_the_loss_falls():
    """A loss that falls quickly for a tenth of the training, then rests."""
    history = [{"step": s, "loss": max(1.0, 9.0 - 0.08 * s)} for s in range(1, 1001)]
    recorded = [0]
    for step in range(1, 1000):
        if fallen(history[: step - 1], recorded, step, 1000, 13):
            recorded.append(step)
    assert sum(s <= 150 for s in recorded) >= 8
    assert len(recorded) <= 12


def test_equal_loss_is_resumed_as_if_never_stopped(data, texts, tmp_path, stop_after):
    def train(folder):
        model, _ = loading.load("scratch:tiny", seed=0, texts=texts)
        recorder = TrajectoryRecorder(data, folder, 6, ROWS, "equal_loss")
        recipe = Recipe(**{**RECIPE.__dict__, "steps": 20})
        fit(model, data, ROWS, recipe, folder, stage="train", recorder=recorder)
        return np.load(folder / "losses.npy"), np.load(folder / "steps.npy").tolist()

    losses, steps = train(tmp_path / "whole")
    assert losses.shape == (len(data), len(steps))
    assert (steps[0], steps[-1]) == (0, 20)
    assert 3 <= len(steps) <= 6
    assert np.isfinite(losses[ROWS]).all()
    with stop_after(11), pytest.raises(Stopped):
        train(tmp_path / "stopped")
    again, same = train(tmp_path / "stopped")
    assert same == steps
    np.testing.assert_array_equal(again, losses)


@pytest.fixture
def free(data, texts):
    """Train with the training pass's own losses; return weights, losses, steps."""

    def train(folder, steps):
        model, _ = loading.load("scratch:tiny", seed=0, texts=texts)
        recipe = Recipe(**{**RECIPE.__dict__, "steps": steps, "batch_size": 8})
        each = -(-len(ROWS) // 8)
        recorder = EpochRecorder(len(data), folder, each, steps // each)
        fit(model, data, ROWS, recipe, folder, stage="train", recorder=recorder)
        return weights(model), np.load(folder / "losses.npy"), np.load(folder / "steps.npy")

    return train


def test_the_training_pass_gives_losses_for_free(free, data, texts, tmp_path):
    """They are each row's loss under the weights it met: those before its step."""
    each = -(-len(ROWS) // 8)
    trained, losses, steps = free(tmp_path / "free", 2 * each)
    assert steps.tolist() == [each, 2 * each]
    assert losses.shape == (len(data), 2)
    assert np.isfinite(losses[ROWS]).all()
    assert np.isnan(np.delete(losses, ROWS, 0)).all()
    plain = loading.load("scratch:tiny", seed=0, texts=texts)[0]
    recipe = Recipe(**{**RECIPE.__dict__, "steps": 2 * each, "batch_size": 8})
    first = loop.schedule(data.lengths(), ROWS, recipe)[0]
    expected = score(plain, data, first).losses  # nothing was trained before step 1
    np.testing.assert_allclose(losses[first, 0], expected, atol=1e-5)
    (tmp_path / "plain").mkdir()
    fit(plain, data, ROWS, recipe, tmp_path / "plain", stage="train")
    np.testing.assert_allclose(weights(plain), trained, atol=1e-6)  # its loss is the Trainer's


def test_free_losses_are_resumed_as_if_never_stopped(free, tmp_path, stop_after):
    each = -(-len(ROWS) // 8)
    _, losses, _ = free(tmp_path / "whole", 2 * each)
    with stop_after(each + 2), pytest.raises(Stopped):
        free(tmp_path / "stopped", 2 * each)
    _, again, steps = free(tmp_path / "stopped", 2 * each)
    assert steps.tolist() == [each, 2 * each]
    np.testing.assert_array_equal(again, losses)
    columns = list(read_jsonl(tmp_path / "stopped" / "columns.jsonl"))
    assert [c["step"] for c in columns] == steps.tolist()


@pytest.mark.parametrize(
    ("schedule", "first", "last"), [("cosine", 0, 0), ("linear", 0, 0), ("constant", 0, 3e-3)]
)
def test_the_learning_rate_goes_as_it_is_told(fitted, tmp_path, schedule, first, last):
    recipe = dataclasses.replace(RECIPE, lr_schedule=schedule, warmup=0.34)
    fitted(tmp_path, recipe, record=False)
    rates = [r["lr"] for r in read_jsonl(tmp_path / "metrics.jsonl")]
    rise = [lr / 3e-3 for lr in rates[:4]]
    assert rise == pytest.approx([0, 0.25, 0.5, 0.75], abs=0.01) or rise == pytest.approx(
        [0.25, 0.5, 0.75, 1], abs=0.01
    )
    assert rates[0] >= first
    assert abs(rates[-1] - last) < 3e-3 / 4


def test_decay_clipping_and_checkpointing_do_what_they_say(whole, fitted, tmp_path):
    def train(name, **how):
        return fitted(tmp_path / name, dataclasses.replace(RECIPE, **how), record=False)

    again = train("checkpointing", gradient_checkpointing=True)
    np.testing.assert_allclose(again, whole[1], atol=1e-6)
    decayed = train("decay", weight_decay=0.9)
    assert decayed.norm() < whole[1].norm()
    assert not torch.equal(train("unclipped", clip=0.0), whole[1]), "its first norms are above 1"


FINER = {
    "lr_schedule": "linear",
    "warmup": 0.5,
    "weight_decay": 0.1,
    "clip": 0.3,
    "micro_batch": 3,
    "gradient_checkpointing": True,
}


def test_resuming_is_exact_with_every_finer_point(fitted, tmp_path, stop_after):
    recipe = dataclasses.replace(RECIPE, **FINER)
    expected = fitted(tmp_path / "whole", recipe)
    with stop_after(4), pytest.raises(Stopped):
        fitted(tmp_path / "stopped", recipe)
    assert torch.equal(fitted(tmp_path / "stopped", recipe), expected)


def test_resuming_a_tied_model_says_nothing_of_missing_weights(
    fitted, tmp_path, stop_after, caplog
):
    with stop_after(4), pytest.raises(Stopped):
        fitted(tmp_path)
    fitted(tmp_path)
    assert "missing keys" not in caplog.text


def learned_positions(folder, tokenizer):
    """Write a GPT-2 with tied embeddings, without padding token and chat template."""
    tokenizer.pad_token = tokenizer.chat_template = None
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"vocab_size": len(tokenizer), "n_embd": 96, "n_layer": 2, "n_head": 4}
    ends = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id}
    GPT2LMHeadModel(GPT2Config(n_positions=128, **shape, **ends)).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_the_end_token_is_learned_though_padding_is_the_same_token(
    finished, data, texts, tmp_path, architecture
):
    """Trained on rows that end, a model stops, asked alone or beside longer questions."""
    model, tokenizer = loading.load("scratch:tiny", seed=0, texts=texts)
    if architecture == "gpt2":
        folder = learned_positions(tmp_path / "model", tokenizer)
        model, tokenizer = loading.load(folder, seed=0)
    rows, recipe = ROWS[:8], dataclasses.replace(RECIPE, steps=60, batch_size=8)
    trained = (model, tokenizer, "plain", data, rows, recipe, tmp_path)
    for said, gold in stopped_by_itself(finished, *trained):
        assert [one.text.strip() for one in said] == gold


def stopped_by_itself(finished, model, tokenizer, template, data, rows, recipe, folder):
    """Train on rows that end; return answers that all ended, and their golds: many, then one."""
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    for r in rows:
        ids, mask = data.row(int(r))
        assert ids[mask][-1] == tokenizer.eos_token_id, "it is trained"
    fit(model, data, rows, recipe, folder / "run", stage="train")
    table = pd.read_parquet(finished.workspace.open(finished.dataset).path / "examples.parquet")
    turns = [questions(table["messages"][r].tolist()) for r in rows]
    render, golds = renderer(template, tokenizer), table["response"][rows].tolist()
    found = []
    for talks in (turns, turns[:1]):
        said = generate(model, tokenizer, render, talks, max_length=128, max_new=40)
        assert not any(one.at_limit for one in said), "it stops by itself"
        found.append((said, golds[: len(said)]))
    return found


@pytest.mark.skipif(SMOLLM2 not in os.environ, reason=f"{SMOLLM2} names no folder with its weights")
def test_a_real_model_stops_by_itself(finished, tmp_path, capsys):
    """SmolLM2-135M-Instruct by LoRA: its own template, whose end of turn is its padding, too."""
    model, tokenizer = loading.load(os.environ[SMOLLM2], seed=0, frozen=True)
    dataset = finished.workspace.open(finished.dataset)
    data = tokens.tokenize(finished.workspace, dataset, tokenizer, "chat", 128)
    model = adapters.with_adapter(model, 0)
    recipe = dataclasses.replace(RECIPE, steps=20, batch_size=8, lr=1e-3)
    trained = (model, tokenizer, "chat", data, ROWS[:24], recipe, tmp_path)
    said, _ = stopped_by_itself(finished, *trained)[0]
    lengths = [len(tokenizer(one.text)["input_ids"]) for one in said]
    with capsys.disabled():
        print(f" longest of {len(lengths)} answers: {max(lengths)} of 40 tokens")  # noqa: T201
