import json
import pathlib
import subprocess
import sys
import time
from importlib import import_module

import numpy as np
import pytest

from core.__main__ import main
from core.nouns import DURATION, NOUNS
from core.workspace import files

ROOT = pathlib.Path(__file__).parents[2]


def call(*argv):
    return subprocess.run(
        [sys.executable, *argv], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_command_line_loads_nothing_heavy():
    heavy = ["torch", "streamlit", "transformers", "umap", "sklearn", "pandas", "duckdb"]
    done = call("-c", f"import sys, core.__main__; print([m for m in {heavy} if m in sys.modules])")
    assert done.stdout.strip() == "[]"


def test_list_is_quick(finished):
    began = time.monotonic()
    done = call("-m", "core", "list", "--workspace", str(finished.workspace.root))
    assert time.monotonic() - began < 5, "no torch in the way"
    assert finished.dataset in done.stdout
    assert done.returncode == 0


def test_the_workspace_stands_before_or_after_the_noun(finished, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("S2L_WORKSPACE", str(tmp_path / "default"))
    full, empty = str(finished.workspace.root), str(tmp_path / "empty")

    def listed(*argv):
        assert main(argv) == 0
        return finished.dataset in capsys.readouterr().out

    assert listed("--workspace", full, "list")
    assert listed(f"--workspace={full}", "list", "dataset")
    assert listed("list", "--workspace", full)
    assert listed("--workspace", empty, "list", "--workspace", full), "the last one wins"
    assert not listed("--workspace", full, "list", "--workspace", empty)
    assert not listed("list")
    file = tmp_path / "a.csv"
    file.write_text("question,answer\n1 + 1?,2\n")
    assert main(["--workspace", str(tmp_path / "new"), "dataset", "--path", str(file)]) == 0
    assert list((tmp_path / "new" / "dataset").iterdir())
    assert main(["--workspace"]) == 2


def test_the_demo_is_said_to_take_as_long_everywhere(capsys):
    for file in ("Makefile", "README.md"):
        assert DURATION in " ".join((ROOT / file).read_text().split())
    with pytest.raises(SystemExit):
        main(["--help"])
    assert DURATION in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_has_help(noun, capsys):
    with pytest.raises(SystemExit) as e:
        main([noun, "--help"])
    assert e.value.code == 0
    said = capsys.readouterr().out
    assert "--workspace" in said
    assert NOUNS[noun].split()[0] in said


@pytest.mark.parametrize(
    "argv",
    [
        ["dataset"],
        ["dataset", "--path", "/nowhere.jsonl"],
        ["dataset", "--path", "x", "--limit", "-1"],
        ["trajectories", "--dataset", "x"],
        ["trajectories", "--dataset", "x", "--epochs", "many"],
        ["clusters", "--trajectories", "x", "--k", "0"],
        ["selection", "--clusters", "x", "--budget", "11 percent"],
        ["selection", "--clusters", "x", "--strategy", "best"],
        ["study", "--clusters", "x", "--seeds", "a"],
        ["show", "x"],
        ["delete", "../x"],
        ["edits"],
        ["edits", "x"],
        ["edits", "x", "--exclude", "1"],
        ["edits", "x", "--undo", "--redo"],
        ["edits", "x", "--note", "text"],
        ["edits", "x", "--why", "text"],
        ["list", "nonsense"],
        ["nonsense"],
        ["dataset", "--path", "x", "--nonsense"],
        [],
    ],
)
def test_bad_input_exits_2_with_one_sentence(argv, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("S2L_WORKSPACE", str(tmp_path / "w"))
    assert main(argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("error: ")
    assert not list((tmp_path / "w").rglob("manifest.json"))


def test_the_last_line_is_the_id(finished, tmp_path, capsys):
    file = tmp_path / "a.csv"
    file.write_text("question,answer\n1 + 1?,2\n")
    place = ["--workspace", str(tmp_path / "w")]
    assert main(["dataset", "--path", str(file), *place]) == 0
    made = capsys.readouterr().out.splitlines()[-1]
    assert main(["show", made, "--json", *place]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == made
    assert main(["show", made, *place]) == 0
    assert made in capsys.readouterr().out
    assert main(["list", "dataset", "--json", *place]) == 0
    assert [e["id"] for e in json.loads(capsys.readouterr().out)] == [made]
    assert main(["delete", made, *place]) == 0
    assert main(["list", *place]) == 0
    assert "nothing in" in capsys.readouterr().out


def test_rows_are_edited_and_the_state_printed(copied, capsys, monkeypatch):
    monkeypatch.setenv("USER", "ann")

    def call(*argv):
        code = main(["edits", copied.dataset, *argv, "--workspace", str(copied.root)])
        said = capsys.readouterr()
        return said.out.splitlines() if code == 0 else said.err

    nothing = ["edits: 0", "excluded: 0 rows", "pinned: 0 rows", "to undo: nothing"]
    assert call() == [*nothing, "to redo: nothing"]
    said = call("--exclude", "3,17,100-120", "--why", "odd")
    assert said[1] == "excluded: 23 rows 3,17,100-120"
    assert said[3] == "to undo: exclude 23 rows (odd)"
    assert call("--include", "100-119")[1] == "excluded: 3 rows 3,17,120"
    assert call("--pin", "3")[1:3] == ["excluded: 2 rows 17,120", "pinned: 1 row 3"]
    assert call("--undo")[1:3] == ["excluded: 3 rows 3,17,120", "pinned: 0 rows"]
    assert call("--redo")[2] == "pinned: 1 row 3"
    assert call("--unpin", "3")[2] == "pinned: 0 rows"
    assert "note 'look': 2 rows 5-6" in call("--note", "look", "--rows", "5,6")
    assert call("--exclude", "160") == "error: 160 is outside the rows 0 to 159\n"
    assert call("--pin", "x").startswith("error: 'x' is not a row")
    log = (copied.root / "edits" / f"{copied.dataset}.jsonl").read_text().splitlines()
    assert {json.loads(line)["user"] for line in log} == {"ann"}
    assert call("--note", "", "--rows", "5,6")[0] == f"edits: {len(log) + 1}"


def test_a_job_learns_how_it_ended(tmp_path, monkeypatch, capsys):
    job = tmp_path / "job"
    job.mkdir()
    monkeypatch.setenv("S2L_JOB", str(job))
    assert main(["show", "x", "--workspace", str(tmp_path)]) == 2
    status = json.loads((job / "status.json").read_text())
    assert status["state"] == "failed"
    assert "no artifact 'x'" in status["message"]
    file = tmp_path / "a.csv"
    file.write_text("question,answer\n1 + 1?,2\n")
    assert main(["dataset", "--path", str(file), "--workspace", str(tmp_path)]) == 0
    status = json.loads((job / "status.json").read_text())
    made = capsys.readouterr().out.strip()
    assert status.pop("clock") > 0
    assert status == {"state": "done", "result": made, "message": "", "failure": ""}


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (RuntimeError("CUDA out of memory"), 1, "smaller --batch-size"),
        (MemoryError(), 1, "out of memory"),
        (Exception("I/O error: No space left on device (os error 28)"), 2, "the disk is full"),
        (OSError("12 requested and 0 written"), 2, "the disk is full"),
        (RuntimeError("PytorchStreamWriter failed writing file data/0"), 2, "the disk is full"),
        (
            RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"),
            2,
            "the disk is full",
        ),
        (RuntimeError("basic_ios::clear: iostream error"), 2, "the disk is full"),
        (KeyError("12 rows requested and none there"), 1, "KeyError: "),
        (KeyboardInterrupt(), 130, "import it again"),
        (ZeroDivisionError("by design"), 1, "ZeroDivisionError: by design"),
    ],
)
def test_what_goes_wrong_inside_is_said(tmp_path, monkeypatch, capsys, error, code, words):
    def fail(*args):
        raise error

    monkeypatch.setattr(import_module("core.dataset.run"), "run", fail)
    assert main(["dataset", "--path", "x", "--workspace", str(tmp_path)]) == code
    assert words in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("kind", [ValueError, KeyError, OSError])
def test_words_that_writers_use_too_are_no_full_disk(kind):
    assert not files.disk_full(kind("both rows are requested and neither is there"))
    assert files.disk_full(kind("12 requested and 0 written")) == (kind is OSError)


@pytest.mark.skipif(not pathlib.Path("/dev/full").is_char_device(), reason="no such device")
def test_what_numpy_says_of_a_full_disk_is_known():
    with pytest.raises(OSError) as full:  # noqa: PT011 - the message is what is tested
        np.arange(100_000).tofile("/dev/full")
    assert files.disk_full(full.value)
