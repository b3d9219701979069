"""Importing a dataset: what is kept, what is set aside and why, what is refused in one sentence."""

import json
import pathlib
import random
import subprocess
import sys
import time

import pandas as pd
import pytest

from core import dataset
from core.dataset.words import words
from tests.core.dataset.conftest import original, rows

DATA = pathlib.Path(__file__).parents[4] / "shared" / "data"
COLUMNS = ["row", "position", "id", "source", "messages", "prompt", "response", "answer", "split"]


def test_a_dataset(load):
    artifact = load(rows(3, source="s"), name="mine.jsonl")
    frame = dataset.examples(artifact)
    assert list(frame.columns) == COLUMNS
    assert frame["row"].tolist() == [0, 1, 2]
    assert frame["messages"][1] == [
        {"role": "user", "content": "question 1?"},
        {"role": "assistant", "content": "answer 1"},
    ]
    assert frame["prompt"][2] == "question 2?"
    assert frame["response"][2] == "answer 2"
    assert set(frame["source"]) == {"s"}
    assert set(frame["split"]) == {"pool"}
    assert frame["answer"].isna().all()
    assert frame["id"].str.fullmatch("[0-9a-f]{16}").all()
    assert dataset.examples(artifact, ["id"]).columns.tolist() == ["id"]
    assert artifact.name == "mine"
    assert original(artifact) == rows(3, source="s")
    s = artifact.summary
    assert (s["rows_read"], s["rows"], s["pool_rows"], s["holdout_rows"]) == (3, 3, 3, 0)
    assert s["trainable"]
    assert s["length_quantiles"]["response"] == {"p50": 8, "p90": 8, "p99": 8, "max": 8}


def test_permuted_rows_have_the_same_ids_sample_and_holdout(load):
    rng = random.Random(0)
    data = [{**r, "source": rng.choice("ab"), "answer": i % 7} for i, r in enumerate(rows(200))]
    data += [{**r, "source": "c"} for r in data[:30]] + data[5:9]
    one, other = (
        load(d, f"{k}.jsonl", limit=150, seed=3)
        for k, d in enumerate((data, rng.sample(data, 234)))
    )
    assert one.summary["fingerprint"] == other.summary["fingerprint"]
    assert one.summary["not_sampled"] == 84
    a, b = (dataset.examples(x).set_index("id").sort_index() for x in (one, other))
    assert (a["split"] == b["split"]).all()
    assert (a["source"] == b["source"]).all()
    assert one.summary["holdout_rows"] == 7


def test_holdout_and_split_column(load):
    assert load(rows(150)).summary["holdout_rows"] == 7
    assert load(rows(99)).summary["holdout_rows"] == 0
    assert load(rows(30), holdout="10").summary["holdout_rows"] == 10
    marks = ["train", "Test", None, "validation", "eval", "holdout"]
    data = [{**r, "part": m} for r, m in zip(rows(6), marks, strict=True)]
    split = dataset.examples(load(data, split_column="part"))["split"]
    assert split.tolist() == ["pool", "holdout", "pool", "holdout", "holdout", "holdout"]
    with pytest.raises(ValueError, match="--holdout 5 leaves no row"):
        load(rows(5), holdout="5")
    with pytest.raises(ValueError, match="leave --holdout away"):
        load(data, split_column="part", holdout="3")


def test_too_few_distinct_rows_give_a_smaller_holdout_and_say_so(load, capsys):
    s = load([rows(1)[0]] * 200).summary
    assert (s["holdout_rows"], s["holdout_asked"]) == (0, 10)
    assert "only 0 of the 10 rows" in capsys.readouterr().err


def test_settings_quote_the_flag():
    for bad in ({"holdout": "-1"}, {"holdout": "5%"}, {"limit": -1}, {"format": "yaml"}):
        with pytest.raises(ValueError, match="--" + next(iter(bad))):
            dataset.Settings(path="x", **bad)


def test_load_any_imports_a_file_once(load, workspace, tmp_path):
    kept = load(rows(150)).id
    assert dataset.load_any(workspace, kept) == kept
    path = str(tmp_path / "data.jsonl")
    first = dataset.load_any(workspace, path)
    assert first != kept
    assert workspace.open(first).summary["holdout_rows"] == 0
    assert dataset.load_any(workspace, path) == first
    pathlib.Path(path).write_text(json.dumps(rows(1)[0]))
    assert dataset.load_any(workspace, path) != first
    with pytest.raises(ValueError, match="no file and no dataset"):
        dataset.load_any(workspace, "nothing")


def test_command_line(workspace, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows(5)))

    def command(*flags):
        argv = [sys.executable, "-m", "core", "dataset", "--workspace", str(workspace.root), *flags]
        root = pathlib.Path(__file__).parents[3]
        return subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)

    done = command("--path", str(path), "--limit", "3", "--name", "mine")
    artifact = workspace.open(done.stdout.split()[-1])
    assert (artifact.name, artifact.summary["rows"]) == ("mine", 3)
    failed = command("--path", str(tmp_path / "b.jsonl"))
    assert failed.returncode == 2
    assert "no such file" in failed.stderr


def real(name):
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not here")
    return str(DATA / name)


def test_mathmix(workspace):
    settings = dataset.Settings(path=real("mathmix_train.jsonl"))
    began = time.process_time()
    artifact = workspace.open(dataset.run(workspace, settings))
    assert time.process_time() - began < 10
    s = artifact.summary
    assert (s["rows"], s["holdout_rows"], s["n_sources"]) == (16386, 819, 6)
    frame = dataset.examples(artifact, ["source", "split", "prompt", "response"])
    shares = frame["source"].value_counts()
    held = frame.loc[frame["split"] == "holdout", "source"].value_counts()
    assert ((held - shares * 819 / 16386).abs() < 1).all()
    compared = [
        " ".join(words(f"{p} {r}")) for p, r in zip(frame.prompt, frame.response, strict=True)
    ]
    prompts = frame["prompt"].map(lambda text: " ".join(words(text)))
    for texts in (pd.Series(compared), prompts):
        sides = texts.groupby(frame["split"]).agg(set)
        assert not sides["pool"] & sides["holdout"]
    assert (s["overlap"]["items"], s["overlap"]["given_away"]) == (819, 0)


def test_svamp_is_an_evaluation_file(workspace):
    artifact = workspace.open(dataset.load_any(workspace, real("eval_svamp.jsonl")))
    assert not artifact.summary["trainable"]
    assert dataset.examples(artifact, ["answer"])["answer"].notna().sum() == 1000
