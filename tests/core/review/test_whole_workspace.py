"""The check of a whole workspace: it finds all that is wrong, and deletes what it is told to."""

import dataclasses
import importlib
import json
import os
import shutil
import subprocess

import pytest

from core import edits, finetune, jobs
from core.__main__ import main
from core.review import whole_workspace
from core.workspace.store import Workspace
from tests.conftest import TUNE


def doctor(root, *flags, capsys):
    code = main(["doctor", "--workspace", str(root), *flags])
    return code, "".join(capsys.readouterr())


def old(path):
    os.utime(path, (1e9, 1e9))
    return path


def test_a_sound_workspace_is_said_to_be_sound(finished, capsys, monkeypatch):
    n = len(finished.workspace.entries())
    code, said = doctor(finished.root, capsys=capsys)
    assert code == 0
    assert f"{n} artifacts: every file is as its manifest says" in said
    assert "damaged" not in said
    monkeypatch.setenv("S2L_WORKSPACE", str(finished.root))
    for argv in (
        ["doctor"],
        ["doctor", "--workspace"],
        ["--workspace", str(finished.root), "doctor"],
    ):
        assert main(argv) == 0
        assert f"workspace {finished.root}: " in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        ["--model", "scratch:tiny"],
        ["--clean", "everything"],
        ["--clean", "leftovers,../../etc"],
        ["20260101-000000000-abcd", "--clean", "cache"],
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_deleted(finished, argv, capsys):
    before = {str(p) for p in finished.root.rglob("*")}
    code, said = doctor(finished.root, *argv, capsys=capsys)
    assert code == 2
    assert "error: " in said
    assert {str(p) for p in finished.root.rglob("*")} == before
    assert main(["doctor", "--workspace", str(finished.root / "none")]) == 2


def test_all_that_is_wrong_is_listed_and_only_what_is_named_is_cleaned(copied, capsys):
    w, root = copied.workspace, copied.root
    flipped = w.open(copied.finetune).path / "scores.json"
    text = flipped.read_bytes()
    flipped.write_bytes(text[:-2] + bytes([text[-2] ^ 1]) + text[-1:])  # of the same size
    shutil.rmtree(root / "trajectories" / copied.trajectories)
    renamed = root / "selection" / "20260101-000000000-abcd"
    shutil.copytree(root / "selection" / copied.selection, renamed)
    edits.pin(w, copied.dataset, [1])
    (root / "edits" / "20260102-000000000-abcd.jsonl").write_text("{}\n")
    draft = w.draft("dataset", name="half", config={}, parents={})
    draft.lock.close()
    busy = w.draft("dataset", name="busy", config={}, parents={})
    job = jobs.submit(w, ["dataset", "--path", "none.csv"], title="a file that is not there")
    assert jobs.wait(w, job, 90).state == "failed"
    temp = root / "study" / ".deleted-x"
    temp.mkdir()
    old_file = temp / "f"
    old_file.write_text("x")
    old(old_file)
    old(temp)
    young = root / "study" / ".y.0a1b2c3d"
    young.write_text("somebody is writing this")

    code, said = doctor(root, capsys=capsys)
    assert code == 1
    for line in (
        f"{copied.finetune}: scores.json: content differs from the manifest",
        f"{renamed.name}: its manifest is that of selection {copied.selection}",
        f"{copied.clusters}: its trajectories {copied.trajectories} is not here",
        "edits/20260102-000000000-abcd.jsonl: its dataset is not here",
        f"{draft.id}  dataset  half",
        f"{job}  failed  a file that is not there",
        "  study/.deleted-x\n",
    ):
        assert line in said, line
    assert young.name not in said

    code, said = doctor(root, "--clean", f"leftovers,drafts,{renamed.name}", capsys=capsys)
    assert code == 1
    assert f"{draft.id}: deleted" in said
    assert f"{busy.id}: kept: {busy.id} is being worked on" in said
    assert not temp.exists()
    assert not renamed.exists()
    assert young.exists()
    assert (root / "jobs" / job).exists()
    assert flipped.exists()
    _, said = doctor(root, "--clean", "jobs,cache", capsys=capsys)
    assert not (root / "jobs" / job).exists()
    assert not w.cache.exists()
    busy.discard()


def test_a_copy_made_while_a_run_works_is_restored_verified_and_resumed(
    copied, tmp_path, capsys, monkeypatch
):
    """As docs/running.md says: copy all but the cache twice, check the copy, resume."""
    w, restored = copied.workspace, tmp_path / "restored"
    keeper = importlib.import_module("core.training.keeper")
    settings = finetune.Settings(selection=copied.selection, **{**TUNE, "seed": 5})

    def completed(folder, facts):
        complete(folder, facts)
        if not restored.exists():
            for _ in range(2):
                command = ["cp", "-a", "-T", str(w.root), str(restored)]
                subprocess.run(command, check=True)
            shutil.rmtree(restored / "cache", ignore_errors=True)

    complete = keeper.complete
    monkeypatch.setattr(keeper, "complete", completed)
    monkeypatch.setattr(keeper.Keeper, "_wishes", lambda self: (False, True, False))
    made = w.open(finetune.run(w, settings))
    again = Workspace(restored)
    code, said = doctor(restored, capsys=capsys)
    assert code == 0, said
    assert "1 unfinished runs" in said
    resumed = again.open(finetune.run(again, dataclasses.replace(settings, resume=True)))
    assert resumed.id == made.id  # it is the same run, gone on with elsewhere
    scores = (one.path.joinpath("scores.json").read_text() for one in (made, resumed))
    assert len({json.dumps(json.loads(text)) for text in scores}) == 1
    assert doctor(restored, capsys=capsys)[0] == 0


def test_what_is_deleted_while_it_is_checked_is_not_called_damaged(copied, monkeypatch):
    """Nor is anything said of what it leaves, as it is gone when that is read."""
    workspace = Workspace(copied.root)
    doomed = next(e for e in workspace.entries() if not workspace.children(e.id))
    wrong = whole_workspace._wrong

    def deleted_first(workspace, entry):
        if entry.id == doomed.id:
            workspace.delete(entry.id)
        return wrong(workspace, entry)

    monkeypatch.setattr(whole_workspace, "_wrong", deleted_first)
    found = whole_workspace.check(workspace)
    assert (found.damaged, found.orphans) == ([], [])
