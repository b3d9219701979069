"""What cannot be selected or written is refused in one sentence that says what to do."""

import json

import pytest

from core import clusters, dataset, edits, export, selection, trajectories
from core.__main__ import main
from core.export.trainers import reading
from core.export.writers import EXPORT_FORMATS
from core.trajectories.artifact import load_flags
from core.workspace.store import Workspace
from tests.conftest import TRAIN, write
from tests.core.conftest import write_export


def refused(copied, capsys, *argv):
    """Run a command that is refused; return what it says."""
    before = copied.workspace.entries()
    capsys.readouterr()
    assert main([*argv, "--workspace", str(copied.workspace.root)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (sentence,) = said.err.splitlines()
    assert copied.workspace.entries() == before, "nothing is left behind"
    return sentence


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("0", "must be more than 0 and a number of rows"),
        ("-5", "must be more than 0"),
        ("0%", "must be more than 0"),
        ("nan", "'nan' is not a number of rows (30000), a share (0.11 or 11%)"),
        ("11 percent", "write 11%"),
        ("101%", "is above 100%"),
        ("140", "is more than the 139 eligible rows; lower it"),
        ("1 token", "is below the shortest choice; rows have 2 to"),
        ("1 token", "response tokens: raise it"),
    ],
)
@pytest.mark.parametrize("strategy", ["s2l", "random", "k_center"])
def test_a_budget_that_cannot_be(budget, words, strategy, copied, capsys):
    argv = ["selection", "--clusters", copied.clusters, "--strategy", strategy, "--budget", budget]
    assert words in refused(copied, capsys, *argv)


def test_pins_above_the_budget(copied, capsys):
    flags = load_flags(copied.workspace.open(copied.trajectories))
    edits.pin(copied.workspace, copied.dataset, flags.index[flags["flag"] == ""][:12])
    argv = ["selection", "--clusters", copied.clusters, "--budget"]
    said = refused(copied, capsys, *argv, "5")
    assert "is 5 rows, less than the 12 pinned; raise it or unpin some" in said
    assert "of the 12 pinned; raise it or unpin some" in refused(copied, capsys, *argv, "9 tokens")


def test_every_row_of_every_cluster_excluded(copied, capsys):
    edits.exclude(copied.workspace, copied.dataset, range(160))
    said = refused(copied, capsys, "selection", "--clusters", copied.clusters)
    assert "excluded or filtered; include some again or loosen the filters" in said
    argv = ["clusters", "--trajectories", copied.trajectories, "--k", "4", "--without", "1"]
    assert "no row has a loss and is not excluded" in refused(copied, capsys, *argv)


def test_every_cluster_set_to_nothing(copied, capsys):
    none = ",".join(f"{c}=0" for c in range(6))
    said = refused(copied, capsys, "selection", "--clusters", copied.clusters, "--quotas", none)
    assert "leave room for 0 rows, less than the budget of 15; raise them" in said


@pytest.mark.parametrize("strategy", ["random_per_source", "s2l_per_source"])
def test_sources_that_the_data_does_not_name(strategy, tmp_path, quick, capsys):
    workspace = Workspace(tmp_path / "workspace")
    file = write(
        tmp_path / "bare.jsonl", [{"question": f"{i}?", "answer": f"{i}"} for i in range(40)]
    )
    data = dataset.run(workspace, dataset.Settings(path=str(file)))
    paths = trajectories.run(workspace, trajectories.Settings(dataset=data, **TRAIN))
    groups = clusters.run(workspace, clusters.Settings(trajectories=paths, k=3, map=False))
    argv = ["selection", "--clusters", groups, "--strategy", strategy, "--workspace"]
    assert main([*argv, str(workspace.root)]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "names no sources" in said
    assert "--source-column, or take random or s2l" in said


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("taken.jsonl", "exists; choose another --out, or give --overwrite yes"),
        ("taken.jsonl/below", "there is no folder"),
        ("nowhere/x", "make it first"),
        ("/proc/x", "cannot be written: "),
        ("/proc/x.jsonl", "choose another --out"),
    ],
)
def test_a_place_that_cannot_be_written(out, words, copied, tmp_path, capsys):
    (tmp_path / "taken.jsonl").write_text("mine")
    argv = ["export", "--selection", copied.selection, "--out", str(tmp_path / out)]
    assert words in refused(copied, capsys, *argv)
    assert (tmp_path / "taken.jsonl").read_text() == "mine"


CONFIGS = [(form, config) for form in EXPORT_FORMATS for config in ("none", *reading(form))]


@pytest.mark.parametrize(("form", "config"), CONFIGS)
def test_every_folder_names_the_hash_of_its_ids(form, config, tmp_path):
    rows = [{"question": f"{i}?", "answer": f"{i}", "source": "s"} for i in range(30)]
    workspace = Workspace(tmp_path / "workspace")
    file = write(tmp_path / "data.jsonl", rows)
    data = dataset.run(workspace, dataset.Settings(path=str(file)))
    wanted = selection.Settings(parent=data, strategy="random", budget="50%")
    chosen = selection.run(workspace, wanted)
    out = write_export(workspace, chosen, tmp_path / "out", format=form, config=config)
    known = workspace.open(chosen).summary["ids_sha256"]
    assert (
        f"| sha256 of the ids, sorted, joined by line feeds | `{known}` |"
        in (out / "README.md").read_text()
    )
    assert json.loads((out / export.MANIFEST).read_text())["ids_sha256"] == known
    ids = write_export(workspace, chosen, tmp_path / "ids.txt", format="ids")
    assert selection.ids_sha256(ids.read_text().splitlines()) == known
