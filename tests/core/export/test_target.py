"""An export stands whole at its place or not at all, whoever else writes there."""

import concurrent.futures
import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from core import export
from core.export import target, writers
from core.jobs.record import lock_file
from core.workspace.files import sha256_file
from tests.core.conftest import write_export
from tests.core.export.conftest import again, load, records, subset_fingerprint


@pytest.mark.parametrize(
    ("out", "more", "words"),
    [
        ("x.json", {}, "writes a file that ends in .jsonl or a folder with no dot"),
        ("x.jsonl", {"format": "parquet"}, "ends in .parquet"),
        ("x.parquet", {"format": "datasets"}, "--format datasets writes a folder with no dot"),
        ("x.jsonl", {"format": "messages", "config": "trl"}, "--config trl writes a folder"),
        ("x", {"config": "trl"}, "--config trl reads --format messages, not jsonl"),
        ("x", {"format": "alpaca", "config": "axolotl"}, "reads --format messages or sharegpt"),
        ("x", {"format": "messages", "config": "trl", "model": "scratch:tiny"}, "give a hub id"),
        ("no/x", {}, "there is no folder .*no; make it first"),
        ("taken.jsonl/x", {}, "there is no folder"),
        ("taken.jsonl", {}, "exists; choose another --out, or give --overwrite yes"),
        ("mine", {"overwrite": True}, "is no earlier export; choose another"),
        ("mine", {"overwrite": True, "format": "datasets"}, "is no earlier export"),
        ("/proc/x", {}, "/proc/x cannot be written: .*choose another --out"),
        ("/proc/x.jsonl", {}, "/proc/x.jsonl cannot be written"),
    ],
)
def test_a_target_that_cannot_be_is_refused(out, more, words, talks, tmp_path):
    workspace, _, chosen = talks
    (tmp_path / "taken.jsonl").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match=words):
        write_export(workspace, chosen, tmp_path / out, **more)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "taken.jsonl"]
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "mine"
    assert (tmp_path / "taken.jsonl").read_text() == "mine"


def test_an_overwrite_replaces_an_export_and_nothing_else(talks, tmp_path):
    workspace, _, chosen = talks
    file = tmp_path / "x.jsonl"
    file.write_text("old")
    write_export(workspace, chosen, file, overwrite=True)
    assert file.read_bytes().count(b"\n") == 24
    folder = write_export(workspace, chosen, tmp_path / "f", format="messages", config="trl")
    write_export(workspace, chosen, folder, format="datasets", overwrite=True)
    assert not (folder / "train.py").exists()
    (folder / "output").mkdir()
    with pytest.raises(ValueError, match="also holds output, which no export wrote"):
        write_export(workspace, chosen, folder, overwrite=True)
    (tmp_path / "g.jsonl").mkdir()
    with pytest.raises(ValueError, match="is a folder; choose another"):
        write_export(workspace, chosen, tmp_path / "g.jsonl", overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f", "g.jsonl", "x.jsonl"]


def test_a_full_disk_leaves_the_old_export(talks, tmp_path, monkeypatch):
    workspace, _, chosen = talks
    folder = write_export(workspace, chosen, tmp_path / "f")
    before = (folder / export.MANIFEST).read_text()

    def full(path, artifact):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(
        writers.EXPORT_FORMATS, "jsonl", writers.EXPORT_FORMATS["jsonl"]._replace(write=full)
    )
    for out, overwrite in ((folder, True), (tmp_path / "x.jsonl", False)):
        with pytest.raises(ValueError, match="the disk is full; nothing is left of it"):
            write_export(workspace, chosen, out, overwrite=overwrite)
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
    assert (folder / export.MANIFEST).read_text() == before


SLOW = """
import sys, time
from core import export
from core.export import target, writers
from core.workspace.store import Workspace
lines = writers.examples
def slow(*args):
    for i, example in enumerate(lines(*args)):
        if i == 10:
            print("half", flush=True)
            time.sleep(60)
        yield example
writers.examples = slow
export.run(Workspace(sys.argv[1]), export.Settings(selection=sys.argv[2], out=sys.argv[3], format="messages"))
"""


@pytest.mark.parametrize("name", ["x.jsonl", "folder"])
def test_a_killed_export_leaves_nothing_that_looks_whole(name, talks, tmp_path, capsys):
    workspace, _, chosen = talks
    command = [sys.executable, "-c", SLOW, str(workspace.root), chosen, str(tmp_path / name)]
    root = pathlib.Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "half\n"
        os.kill(process.pid, signal.SIGKILL)
    assert [p.name for p in tmp_path.iterdir()] == [f".{name}.partial"]
    capsys.readouterr()
    write_export(workspace, chosen, tmp_path / name, format="messages")
    said = capsys.readouterr().err
    assert f"an export to {tmp_path / name} was killed half-way; what it left is deleted" in said
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_who_looks_whether_an_export_is_at_work_keeps_none_from_beginning(
    talks, tmp_path, monkeypatch
):
    workspace, _, chosen = talks
    place = tmp_path / ".x.jsonl.partial"
    place.mkdir()
    looks = lock_file(place / "lock", fcntl.LOCK_SH)
    monkeypatch.setattr(target.time, "sleep", lambda seconds: os.close(looks))
    write_export(workspace, chosen, tmp_path / "x.jsonl", format="messages")
    assert [p.name for p in tmp_path.iterdir()] == ["x.jsonl"]


@pytest.mark.parametrize("name", ["x.jsonl", "folder"])
def test_while_one_exports_another_to_the_same_place_is_refused(name, talks, tmp_path):
    workspace, _, chosen = talks
    command = [sys.executable, "-c", SLOW, str(workspace.root), chosen, str(tmp_path / name)]
    root = pathlib.Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "half\n"
        with pytest.raises(ValueError, match=f"another export to .*{name} is at work; wait"):
            write_export(workspace, chosen, tmp_path / name, overwrite=True)
        write_export(workspace, chosen, tmp_path / f"other{name}")
        process.kill()
    assert sorted(p.name for p in tmp_path.iterdir()) == [f".{name}.partial", f"other{name}"]


SWAP = """
import pathlib, sys, time
from core import export
from core.workspace.store import Workspace
rename = pathlib.Path.rename
def slow(path, target):
    if str(target) == sys.argv[3]:
        print("half", flush=True)
        time.sleep(60)
    return rename(path, target)
pathlib.Path.rename = slow
export.run(Workspace(sys.argv[1]), export.Settings(selection=sys.argv[2], out=sys.argv[3], overwrite=True))
"""


def test_killed_between_two_renames_the_earlier_export_comes_back(talks, tmp_path, capsys):
    workspace, _, chosen = talks
    folder = write_export(workspace, chosen, tmp_path / "folder", format="messages")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    command = [sys.executable, "-c", SWAP, str(workspace.root), chosen, str(folder)]
    root = pathlib.Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "half\n"
        process.kill()
    assert not folder.exists()
    with pytest.raises(ValueError, match="exists; choose another --out"):
        write_export(workspace, chosen, folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert "the export that it was to replace is back" in capsys.readouterr().err


RACE = """
import sys
from core import export
from core.workspace.store import Workspace
workspace = Workspace(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    settings = export.Settings(
        selection=sys.argv[2], out=sys.argv[3], format=sys.argv[4], overwrite=len(sys.argv) > 5
    )
    export.run(workspace, settings)
except ValueError as e:
    print(e, flush=True)
    sys.exit(2)
"""


def race(workspace, chosen, out, forms, *more):
    """Start an export a format in processes of their own, at once; return (exit code, words)."""
    root, argv = (
        pathlib.Path(__file__).parents[3],
        [sys.executable, "-c", RACE, str(workspace.root)],
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [
        subprocess.Popen([*argv, chosen, str(out), form, *more], cwd=root, **pipes)
        for form in forms
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0] for process in running]
    return [(process.returncode, text) for process, text in zip(running, said, strict=True)]


def whole(out, workspace, chosen):
    """Check that a folder holds exactly one export, and return its format."""
    facts = json.loads((out / export.MANIFEST).read_text())
    assert {*facts["files"], export.MANIFEST} == {p.name for p in out.iterdir()}
    assert all(sha256_file(out / name) == sha for name, sha in facts["files"].items())
    assert again(workspace, out).summary["fingerprint"] == subset_fingerprint(workspace, chosen)
    return facts["format"]


def test_of_exports_to_one_place_at_once_one_wins(tmp_path):
    workspace, _, chosen = load(tmp_path, records(own=True))
    out, forms = tmp_path / "out", ["messages", "parquet", "sharegpt"]
    made = race(workspace, chosen, out, forms)
    assert sorted(code for code, _ in made) == [0, 2, 2]
    winner = next(form for form, (code, _) in zip(forms, made, strict=True) if not code)
    assert whole(out, workspace, chosen) == winner
    lost = [text for code, text in made if code]
    assert all("is at work; wait" in text or "exists; choose" in text for text in lost)
    made = race(workspace, chosen, out, forms, "overwrite")
    assert 0 in {code for code, _ in made}
    assert all("is at work; wait" in text for code, text in made if code)
    assert whole(out, workspace, chosen) in forms
    assert not list(tmp_path.glob(".*"))


def test_exports_to_one_place_from_threads(tmp_path):
    workspace, _, chosen = load(tmp_path, records(own=True))
    out, barrier, forms = tmp_path / "out", threading.Barrier(4), ["messages", "parquet"] * 2

    def go(form):
        barrier.wait()
        try:
            return write_export(workspace, chosen, out, format=form, overwrite=True)
        except ValueError as e:
            return e

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made = list(pool.map(go, forms))
    lost = [e for e in made if isinstance(e, ValueError)]
    assert len(lost) < 4
    assert all("is at work; wait" in str(e) for e in lost), lost
    assert whole(out, workspace, chosen) in forms
    assert not list(tmp_path.glob(".*"))
