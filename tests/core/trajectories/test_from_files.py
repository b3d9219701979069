import os
import pickle
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from core import clusters, dataset, selection, trajectories
from core.errors import InputError
from core.jobs.progress import Stopped
from core.model import loading, tokenizers
from core.model.pool_texts import pool_texts
from core.model.scoring import score
from core.model.tokens import tokenize
from core.trajectories import from_files, run
from core.trajectories.artifact import load_flags, load_losses, load_steps
from core.trajectories.settings import Settings
from tests.conftest import write
from tests.core.conftest import write_bare

STEPS = (500, 1000, 1500)


@pytest.fixture(scope="module")
def data(tmp_path_factory, finished):
    """40 rows of which two are set aside on import, none held out."""
    records = [{"question": f"{i} + 1?", "answer": f"{i + 1}"} for i in range(40)]
    records[3]["answer"] = records[30]["answer"] = ""
    path = write(tmp_path_factory.mktemp("elsewhere") / "sums.jsonl", records)
    id = dataset.run(finished.workspace, dataset.Settings(path=str(path), holdout="0"))
    return finished.workspace.open(id)


@pytest.fixture(scope="module")
def numbers():
    return np.random.default_rng(0).gamma(2, 1, (40, 3)).astype(np.float32)


@pytest.fixture
def take(finished, data):
    def get(source, **changes):
        settings = Settings(dataset=data.id, source=str(source), model="scratch:tiny", **changes)
        return finished.workspace.open(run(finished.workspace, settings))

    return get


def official(folder, numbers):
    """Write what the official code writes: a list of one-number tensors a checkpoint."""
    for step, column in zip(STEPS, numbers.T, strict=True):
        (folder / f"checkpoint-{step}").mkdir(parents=True)
        values = [torch.tensor(float(x)) for x in column]
        torch.save(values, folder / f"checkpoint-{step}" / "losses.pt")
    return folder


def kept(numbers):
    return np.delete(numbers, [3, 30], 0)


def test_the_official_codes_losses_come_in_numeric_order(take, numbers, finished, tmp_path):
    made = take(official(tmp_path / "output", numbers))
    assert load_steps(made).tolist() == list(STEPS)  # by name, 1000 and 1500 come before 500
    np.testing.assert_array_equal(load_losses(made), kept(numbers))
    assert made.summary["imported"]
    assert (load_flags(made)["n_response"] > 0).all()
    groups = clusters.run(finished.workspace, clusters.Settings(trajectories=made.id, k=4))
    chosen = selection.run(finished.workspace, selection.Settings(parent=groups, budget="12"))
    assert finished.workspace.open(chosen).summary["rows"] == 12
    assert finished.workspace.verify(made.id) == []


def test_missing_and_unreadable_checkpoints_are_named_and_nothing_is_kept(
    take, numbers, finished, tmp_path
):
    folder = official(tmp_path / "output", numbers)
    (folder / "checkpoint-500" / "losses.pt").unlink()
    (folder / "checkpoint-1500" / "losses.pt").write_bytes(b"not a tensor")
    before = finished.workspace.entries()
    with pytest.raises(ValueError, match=r"2 of 3 .*checkpoint-500: has no .*checkpoint-1500: los"):
        take(folder)
    assert finished.workspace.entries() == before


def test_a_torch_file_of_any_bytes_is_refused_in_a_sentence(tmp_path):
    torch.save(torch.arange(3.0), tmp_path / "losses.pt")
    whole = (tmp_path / "losses.pt").read_bytes()
    number = re.search(rb"[0-9]{20,}", whole)[0]  # an id, which the library decodes
    for content in (whole.replace(number, b"\xb7" * len(number)), whole[:-30], whole[:200], b""):
        (tmp_path / "losses.pt").write_bytes(content)
        with pytest.raises(InputError, match="cannot be read safely"):
            from_files._tensor(tmp_path / "losses.pt")


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(take, numbers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = official(tmp_path / "output", numbers)
    file = folder / "checkpoint-1000" / "losses.pt"
    for write_bomb in (
        lambda: file.write_bytes(pickle.dumps(Bomb())),
        lambda: torch.save(Bomb(), file),
    ):
        write_bomb()
        with pytest.raises(ValueError, match=r"checkpoint-1000: losses\.pt cannot be read safely"):
            take(folder)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("model", ["shrink:scratch:tiny:1", "scratch:small"])
def test_tokens_are_counted_by_the_model_that_is_named(finished, data, numbers, tmp_path, model):
    np.save(tmp_path / "losses.npy", numbers)
    how = {"dataset": data.id, "source": str(tmp_path / "losses.npy")}
    made = finished.workspace.open(run(finished.workspace, Settings(**how, model=model)))
    assert load_flags(made)["n_tokens"].min() > 0
    with pytest.raises(InputError, match="no model 'scratch:vast'"):
        run(finished.workspace, Settings(**how, model="scratch:vast"))


def test_losses_of_another_dataset_are_refused(take, numbers, tmp_path):
    with pytest.raises(ValueError, match=r"39 losses for sums, which has 38 rows of 40 in its"):
        take(official(tmp_path / "output", numbers[:39]))


def test_a_checkpoint_with_another_number_of_rows_is_named(take, numbers, finished, tmp_path):
    folder = official(tmp_path / "output", numbers)
    torch.save(torch.ones(39), folder / "checkpoint-1000" / "losses.pt")
    before = finished.workspace.entries()
    with pytest.raises(ValueError, match=r"1 of 3 .* checkpoint-1000: 39 losses for sums"):
        take(folder)
    assert finished.workspace.entries() == before


def test_rows_without_a_loss_stay_nan_and_are_flagged(take, numbers, tmp_path):
    holes = numbers.copy()
    holes[7, 1], holes[8] = np.nan, np.inf
    np.save(tmp_path / "losses.npy", holes)
    made = take(tmp_path / "losses.npy")
    assert load_steps(made).tolist() == [1, 2, 3]
    assert made.summary["measured"] == 36
    np.save(tmp_path / "steps.npy", [0, 40, 80])  # as the recorder leaves them
    assert load_steps(take(tmp_path / "losses.npy")).tolist() == [0, 40, 80]
    np.save(tmp_path / "steps.npy", [0, 40])
    with pytest.raises(ValueError, match="2 steps for 3 columns"):
        take(tmp_path / "losses.npy")
    assert made.summary["unmeasurable"] == 2
    assert (load_flags(made)["flag"] == "loss not finite").sum() == 2


def test_a_table_with_ids_is_matched_by_them(take, numbers, data, tmp_path):
    ids = pd.read_parquet(data.path / "examples.parquet", columns=["id"])["id"]
    some = pd.DataFrame({"id": ids, "loss_10": kept(numbers)[:, 0], "loss_2": kept(numbers)[:, 1]})
    some["note"] = "text"
    some.sample(frac=0.5, random_state=0).to_parquet(tmp_path / "half.parquet")
    made = take(tmp_path / "half.parquet")
    assert load_steps(made).tolist() == [2, 10]
    assert made.summary["measured"] == 19
    there = np.isfinite(load_losses(made)).all(1)
    np.testing.assert_array_equal(load_losses(made)[there], kept(numbers)[there][:, [1, 0]])
    some.drop(columns="id").to_parquet(tmp_path / "by_order.parquet")
    made = take(tmp_path / "by_order.parquet")
    np.testing.assert_array_equal(load_losses(made), kept(numbers)[:, [1, 0]])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.npy", b"\x93NUMPY nonsense", "cannot be read as a NumPy array"),
        ("x.npy", pickle.dumps([1]), "cannot be read as a NumPy array"),
        ("x.parquet", b"nonsense", "cannot be read as parquet"),
        ("x.txt", b"1 2 3", "is nothing to import"),
    ],
)
def test_what_is_no_table_says_so(take, tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        take(tmp_path / name)
    with pytest.raises(ValueError, match="is nothing to import"):
        take(tmp_path)


def test_a_step_that_stands_twice_or_is_absurd_is_refused(take, numbers, tmp_path):
    file = tmp_path / "losses.parquet"
    twice = pd.DataFrame({"loss_1": kept(numbers)[:, 0], "mean_01": kept(numbers)[:, 1]})
    twice.to_parquet(file)
    with pytest.raises(InputError, match="two columns or checkpoints of step 1; keep one"):
        take(file)
    for name in ("loss_" + "9" * 30, "loss_\u0661"):
        twice[["loss_1"]].set_axis([name], axis=1).to_parquet(file)
        with pytest.raises(InputError, match="no column of numbers whose name ends in a step"):
            take(file)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """Three Hugging Face checkpoints, the tokenizer beside them; the newest has the lowest name."""
    folder = tmp_path_factory.mktemp("run")
    texts = pool_texts(data, "scratch:tiny")
    for step in (5, 10, 100):
        model, tokenizer = loading.load("scratch:tiny", seed=step, texts=texts)
        model.save_pretrained(folder / f"checkpoint-{step}")
    tokenizer.save_pretrained(folder)
    return folder


def test_checkpoints_are_scored_one_after_the_other(take, trained, finished, data):
    made = take(trained)
    assert load_steps(made).tolist() == [5, 10, 100]
    model, tokenizer = (
        loading.load_weights(str(trained / "checkpoint-10")),
        tokenizers.load_tokenizer(str(trained)),
    )
    tokens = tokenize(finished.workspace, data, tokenizer, "chat")
    expected = score(model, tokens, np.arange(len(tokens))).losses
    np.testing.assert_allclose(load_losses(made)[:, 1], expected, atol=1e-6)
    assert made.config["template"] == "chat"  # a scratch model carries the plain one


def test_scoring_stopped_goes_on_after_the_last_whole_checkpoint(
    take, trained, finished, monkeypatch
):
    looks = iter([False, False, True])
    monkeypatch.setattr("core.trajectories.scored_columns.stop_requested", lambda: next(looks))
    with pytest.raises(Stopped, match="after 2 of 3"):
        take(trained, seed=1)
    monkeypatch.undo()
    (left,) = [e for e in finished.workspace.entries("trajectories") if e.state == "unfinished"]
    made = take(trained, seed=1, resume=True)
    assert made.id == left.id
    assert np.isfinite(load_losses(made)).all()


def test_a_checkpoint_without_weights_or_with_an_adapter_only_is_named(take, trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    (folder / "checkpoint-100" / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"checkpoint-100 has no weights; save or download"):
        take(folder)
    (folder / "checkpoint-100" / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match="checkpoint-100 holds an adapter only"):
        take(folder)


def test_checkpoints_of_several_architectures_are_named(finished, tmp_path):
    folder = tmp_path / "run"
    write_bare(folder / "checkpoint-10", ["Sum of 1 and 2?"] * 40)
    other = GPT2LMHeadModel(GPT2Config(vocab_size=300, n_embd=32, n_layer=1, n_head=2))
    other.save_pretrained(folder / "checkpoint-5")
    settings = {"dataset": finished.dataset, "source": str(folder), "template": "plain"}
    before = finished.workspace.entries()
    with pytest.raises(ValueError, match=r"checkpoint-5 .*gpt2.* checkpoint-10 .*llama.*one run"):
        trajectories.run(finished.workspace, trajectories.Settings(**settings))
    assert finished.workspace.entries() == before


def test_losses_of_files_that_changed_are_imported_anew(take, numbers, tmp_path):
    path = tmp_path / "losses.npy"
    np.save(path, numbers)
    os.utime(path, (1, 1))
    made = take(path, seed=7)
    assert take(path, seed=7, resume=True).id == made.id
    np.save(path, numbers + 1)
    os.utime(path, (2**33, 2**33))
    again = take(path, seed=7, resume=True)
    assert again.id != made.id
    np.testing.assert_array_equal(load_losses(again), kept(numbers + 1))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "header",
            b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f8', 'shape': )),`}".ljust(117) + b"\n",
        ),
        ("deep", b"\x93NUMPY\x01\x00v\x00" + b"(" * 118),
        ("zip", b"PK\x03\x04 and no archive"),
        ("empty", b""),
    ],
)
def test_an_array_whose_header_is_anything_is_refused_in_a_sentence(data, tmp_path, name, content):
    for file in ("losses.npy", "steps.npy"):
        np.save(tmp_path / "losses.npy", np.zeros((40, 3), np.float32))
        (tmp_path / file).write_bytes(content)
        with pytest.raises(InputError, match=rf"{file} cannot be read as a NumPy array"):
            from_files.matrix(tmp_path / "losses.npy", data)


@pytest.mark.parametrize(
    "steps",
    [np.array(3), np.array(["x", "y", "z"]), np.full(3, np.nan), np.full(3, 1e300), -np.arange(3)],
    ids=["one", "words", "nan", "absurd", "negative"],
)
def test_steps_that_are_no_whole_numbers_are_refused(data, tmp_path, steps):
    np.save(tmp_path / "losses.npy", np.zeros((40, 3), np.float32))
    np.save(tmp_path / "steps.npy", steps)
    with pytest.raises(InputError, match="no list of whole numbers"):
        from_files.matrix(tmp_path / "losses.npy", data)
