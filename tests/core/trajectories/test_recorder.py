"""The recorder in a script that uses nothing else of ours, run as a stranger would run it."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import loading, tokens
from core.model.pool_texts import pool_texts
from core.model.scoring import score
from core.trajectories.recorder import fallen, plan

ROOT = pathlib.Path(__file__).parents[3]
BEFORE = """
import random, torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, default_data_collator

random.seed(0)
torch.manual_seed(0)
train_dataset = []
for i in range(24):
    prompt, answer = [random.randrange(1, 50) for _ in range(5)], [i % 7 + 50, 60]
    ids = prompt + answer
    padded = {"input_ids": ids + [0] * 3, "labels": [-100] * 5 + answer + [-100] * 3}
    train_dataset.append({**padded, "attention_mask": [1] * 7 + [0] * 3})
model = GPT2LMHeadModel(GPT2Config(vocab_size=64, n_positions=16, n_embd=16, n_layer=1, n_head=2))
args = TrainingArguments(
    output_dir="out", max_steps=8, learning_rate=1e-2, report_to=[], disable_tqdm=True, use_cpu=True
)
"""
AFTER = """
import numpy
model.eval()
own = []
for example in train_dataset:
    with torch.no_grad():
        own.append(float(model(**{k: torch.tensor([v]) for k, v in example.items()}).loss))
numpy.save("own.npy", own)
"""


def test_the_readmes_ten_lines_work_in_a_strangers_script(tmp_path):
    readme = (ROOT / "README.md").read_text()
    block = next(
        b for b in re.findall(r"```python\n(.*?)```", readme, re.S) if "TrajectoryRecorder" in b
    )
    assert len(block.splitlines()) <= 10
    script = tmp_path / "train.py"
    script.write_text(BEFORE + block.replace("path/to/this/repository", str(ROOT)) + AFTER)
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    losses, steps = (np.load(tmp_path / "losses" / f"{n}.npy") for n in ("losses", "steps"))
    assert steps.tolist() == list(range(9))  # 13 were asked for in 8 steps
    assert losses.shape == (24, 9)
    assert losses[:, -1].mean() < losses[:, 0].mean() - 0.5
    np.testing.assert_allclose(losses[:, -1], np.load(tmp_path / "own.npy"), atol=1e-4)
    assert np.load(tmp_path / "losses" / "pooled.npy").shape == (24, 16)


def test_labels_become_the_same_tokens(finished):

    data = finished.workspace.open(finished.dataset)
    model, tokenizer = loading.load("scratch:tiny", seed=0, texts=pool_texts(data, "scratch:tiny"))
    ours = tokens.tokenize(finished.workspace, data, tokenizer, "plain")
    examples = []
    for r in range(20):
        ids, mask = ours.row(r)
        examples.append({"input_ids": ids, "labels": np.where(mask, ids, -100)})
    theirs = tokens.from_labels(examples)
    rows = np.arange(20)
    np.testing.assert_array_equal(theirs.response_lengths(), ours.response_lengths()[:20])
    np.testing.assert_array_equal(
        score(model, theirs, rows).losses, score(model, ours, rows).losses
    )


def test_labels_that_are_shifted_already_are_refused():
    with pytest.raises(ValueError, match="example 0: labels must be input_ids"):
        tokens.from_labels([{"input_ids": [1, 2, 3], "labels": [-100, 3, -100]}])


@pytest.mark.parametrize(
    ("steps", "checkpoints", "expected"),
    [(9, 4, [0, 3, 6, 9]), (1, 13, [0, 1]), (3, 13, [0, 1, 2, 3]), (1000, 2, [0, 1000])],
)
def test_the_plan_has_first_and_last_and_strictly_increases(steps, checkpoints, expected):
    assert plan(steps, checkpoints).tolist() == expected


@given(st.integers(0, 3000), st.integers(2, 60), st.sampled_from(["linear", "log"]))
def test_a_plan_has_as_many_steps_as_training_allows(last, checkpoints, schedule):
    steps = plan(last, checkpoints, schedule)
    assert (steps[0], steps[-1]) == (0, last)
    assert (np.diff(steps) > 0).all()
    assert len(steps) <= checkpoints
    if schedule == "log" or checkpoints <= last:
        assert len(steps) == min(checkpoints, last + 1)


def test_log_is_dense_early():
    assert plan(1000, 6, "log").tolist() == [0, 3, 15, 62, 250, 1000]
    assert plan(5, 6, "log").tolist() == [0, 1, 2, 3, 4, 5]


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=200), st.integers(2, 20))
def test_equal_loss_never_exceeds_the_checkpoints(losses, checkpoints):
    """Run the rule over a whole training, the last step included by the plan."""
    history = [{"step": i + 1, "loss": x} for i, x in enumerate(losses)]
    recorded, last = [0], len(losses)
    for step in range(1, last):
        if fallen(history[: step - 1], recorded, step, last, checkpoints):
            recorded.append(step)
    assert len(recorded) + 1 <= checkpoints
    gaps = np.diff([*recorded, last])
    if len(recorded) < checkpoints - 1:
        assert gaps.max(initial=0) <= 2 * last / (checkpoints - 1) + 1
