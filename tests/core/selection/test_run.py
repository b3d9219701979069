import concurrent.futures
import pathlib
import shutil
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest

from core import selection
from core.selection.run import ids_sha256
from core.selection.strategies.catalog import STRATEGIES
from core.workspace.store import Workspace
from tests.core.pools import needed

SAVE = """
import sys
from core import selection
from core.workspace.store import Workspace
print("ready", flush=True)
sys.stdin.readline()
workspace, settings = Workspace(sys.argv[1]), selection.Settings(parent=sys.argv[2], budget="37")
print(selection.once(workspace, selection.open_source(workspace, settings)).id)
"""


def test_one_selection_saved_by_two_processes_at_once_is_one(finished, tmp_path):
    root = shutil.copytree(finished.workspace.root, tmp_path / "workspace")
    before = {e.id for e in Workspace(root).entries("selection")}
    command = [sys.executable, "-c", SAVE, str(root), finished.clusters]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    here = pathlib.Path(__file__).parents[3]
    running = [subprocess.Popen(command, cwd=here, **pipes) for _ in range(2)]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    made = [process.communicate(timeout=60)[0].split()[-1] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    check_saved(Workspace(root), before, made)


def test_one_selection_saved_by_threads_at_once_is_one(finished, tmp_path):
    workspace = Workspace(shutil.copytree(finished.workspace.root, tmp_path / "workspace"))
    before = {e.id for e in workspace.entries("selection")}
    settings, barrier = (
        selection.Settings(parent=finished.clusters, budget="37"),
        threading.Barrier(4),
    )

    def save(_):
        barrier.wait()
        return selection.once(workspace, selection.open_source(workspace, settings)).id

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        check_saved(workspace, before, list(pool.map(save, range(4))))


def check_saved(workspace, before, made):
    """Whoever came first: all have the same one, which is whole."""
    entries = {e.id: e.state for e in workspace.entries("selection") if e.id not in before}
    assert entries == {made[0]: "sealed"}
    assert set(made) == {made[0]}
    assert not list((workspace.root / "selection").glob("*.partial"))
    assert workspace.verify(made[0]) == []


def seal(finished, strategy, parent, wanted="20%", seed=0):
    sized = {"match": finished.selection, "target_parameters": 1e6}
    match = needed(strategy, finished.workspace, finished.dataset, **sized)
    chosen = selection.Settings(parent=parent, strategy=strategy, budget=wanted, seed=seed, **match)
    return finished.workspace.open(selection.run(finished.workspace, chosen))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_sealed_selections_hold_no_test_row_and_no_unmeasurable_row(finished, strategy):
    made = seal(finished, strategy, finished.clusters)
    table = pd.read_parquet(made.path / "table.parquet")
    examples = pd.read_parquet(finished.workspace.open(finished.dataset).path / "examples.parquet")
    losses = np.load(finished.workspace.open(finished.trajectories).path / "losses.npy")
    assert table.columns.tolist() == ["row", "id", "cluster", "rank", "reason"]
    assert (examples["split"].to_numpy()[table["row"]] == "pool").all()
    assert np.isfinite(losses[table["row"]]).all()
    assert (examples["id"].to_numpy()[table["row"]] == table["id"]).all()
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    assert made.summary["ids_sha256"] == ids_sha256(table["id"].tolist())
    assert made.summary["rows"] == len(table)
    assert made.summary["pool"] == 139  # 160 rows, 20 test rows, one unmeasurable
    if STRATEGIES[strategy].size == "budget":
        assert len(table) == 27  # 20%


def test_any_parent_that_suffices(finished):
    for strategy, parent in (
        ("random", finished.dataset),
        ("full", finished.dataset),
        ("random_per_source", finished.trajectories),
        ("low_final_loss", finished.trajectories),
    ):
        assert seal(finished, strategy, parent).parents == {
            finished.workspace.open(parent).kind: parent
        }
    with pytest.raises(ValueError, match=r"s2l needs clusters; .* is a trajectories"):
        seal(finished, "s2l", finished.trajectories)
    with pytest.raises(ValueError, match="low_final_loss needs trajectories"):
        seal(finished, "low_final_loss", finished.dataset)
    with pytest.raises(ValueError, match="token budget needs trajectories"):
        seal(finished, "random", finished.dataset, "100 tokens")


def test_the_hash_is_of_the_set_of_ids():
    assert ids_sha256(["b", "a"]) == ids_sha256(["a", "b"]) != ids_sha256(["a"])
