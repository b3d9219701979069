"""What a person names is opened only where that can neither hang nor act on a device."""

import os
import pathlib
import signal
import socket

import pytest

from core.__main__ import main
from core.errors import InputError
from core.workspace import files


@pytest.fixture(autouse=True)
def _in_time():
    """Let a test that hangs fail."""

    def late(*args):
        pytest.fail("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(folder, name="a.jsonl"):
    os.mkfifo(folder / name)
    return folder / name


def bound(folder, name="s.jsonl"):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(folder / name))
    return folder / name


def circle(folder):
    (folder / "b.jsonl").symlink_to(folder / "c.jsonl")
    (folder / "c.jsonl").symlink_to(folder / "b.jsonl")
    return folder / "c.jsonl"


def dangling(folder):
    (folder / "d.jsonl").symlink_to(folder / "gone.jsonl")
    return folder / "d.jsonl"


ODD = {
    "pipe": (pipe, "is a pipe"),
    "socket": (bound, "is a socket"),
    "device": (lambda _: pathlib.Path("/dev/zero"), "is a device"),
    "circle": (circle, "symbolic links"),
    "link to nothing": (dangling, "leads to nothing"),
    "long": (lambda f: f / ("a" * 5000), "too long"),
    "nobody's home": (lambda _: "~nobody-of-this-name/a.jsonl", "home"),
    "NUL": (lambda f: f"{f}/a\0.jsonl", "null"),
}


@pytest.mark.parametrize("case", ODD)
def test_what_is_no_regular_file_is_refused_in_a_sentence(tmp_path, case):
    make, why = ODD[case]
    with pytest.raises(InputError, match=why):
        files.given(str(make(tmp_path)))


def test_files_folders_and_what_is_not_there_yet_are_given_back(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.jsonl").touch()
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "a.jsonl")
    assert files.given("~/a.jsonl") == tmp_path / "a.jsonl"
    assert files.given(str(tmp_path / "b.jsonl")) == tmp_path / "b.jsonl"
    assert files.given(str(tmp_path)) == tmp_path
    assert files.given(str(tmp_path / "new.jsonl")) == tmp_path / "new.jsonl"
    assert files.given(str(tmp_path / "a.jsonl" / "x")) == tmp_path / "a.jsonl" / "x"


@pytest.mark.parametrize("case", [c for c in ODD if c != "NUL"])
def test_an_import_of_it_ends_with_a_sentence(tmp_path, case, capsys):
    make, why = ODD[case]
    root = ["--workspace", str(tmp_path / "w")]
    assert main(["dataset", "--path", str(make(tmp_path)), *root]) == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("odd", [pipe, bound])
def test_a_folder_with_one_is_no_trap(tmp_path, odd, capsys):
    folder = tmp_path / "data"
    folder.mkdir()
    odd(folder)
    root = ["--workspace", str(tmp_path / "w")]
    assert main(["dataset", "--path", str(folder), *root]) == 2
    assert "has no data file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "model.safetensors"])
def test_a_model_folder_with_a_pipe_is_refused(tmp_path, name):
    from core.model import loading

    pipe(tmp_path, name)
    with pytest.raises(InputError, match="is a pipe"):
        loading.load_tokenizer(str(tmp_path))
    with pytest.raises(InputError, match="is a pipe"):
        loading.load_weights(str(tmp_path))


def test_a_test_set_that_is_a_pipe_is_refused(bare, tmp_path):
    from core.dataset import load_any

    with pytest.raises(InputError, match="is a pipe"):
        load_any(bare, str(pipe(tmp_path)))


@pytest.mark.parametrize("name", ["x.npy", "x.parquet", "steps.npy", "checkpoint-3/losses.pt"])
def test_losses_that_are_a_pipe_are_refused(finished, tmp_path, name):
    import numpy as np

    from core import trajectories

    np.save(tmp_path / "table.npy", np.ones((finished.rows, 2), np.float32))
    (tmp_path / "checkpoint-3").mkdir()
    pipe(tmp_path, name)
    where = {"steps.npy": "table.npy", "checkpoint-3/losses.pt": "."}.get(name, name)
    settings = trajectories.Settings(dataset=finished.dataset, source=str(tmp_path / where))
    with pytest.raises(InputError, match="is a pipe"):
        trajectories.run(finished.workspace, settings)


def test_a_file_that_is_written_to_while_it_is_imported_is_refused(bare, tmp_path, monkeypatch):
    from importlib import import_module

    run, store = import_module("core.dataset.run"), import_module("core.dataset.store")
    file = tmp_path / "a.jsonl"
    file.write_text('{"question": "1 + 1?", "answer": "2"}\n')
    batches = store.batches

    def slowly(*args, **how):
        yield from batches(*args, **how)
        with file.open("a") as f:
            f.write('{"question": "1 + 2?", "answer": "3"}\n')

    monkeypatch.setattr(store, "batches", slowly)
    with pytest.raises(InputError, match="changed while it was read"):
        run.run(bare, run.Settings(path=str(file)))
    assert not bare.entries("dataset")


def test_of_a_link_only_the_link_is_deleted(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    files.remove(tmp_path / "link")
    assert [p.name for p in tmp_path.iterdir()] == ["theirs"]
    assert (tmp_path / "theirs" / "file").exists()
