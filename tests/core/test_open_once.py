"""One run opens each artifact of its lineage once, and replays the edit log once."""

import collections

import pytest

from core import (
    clusters,
    dataset,
    edits,
    export,
    finetune,
    layout,
    selection,
    study,
    trajectories,
    transfer,
)
from core.edits.state import EditState
from core.selection import reproduce
from core.workspace import manifest
from tests.conftest import TRAIN, TUNE


@pytest.fixture
def home(copied, quick):
    """A copy of the finished workspace, with an edit."""
    edits.exclude(copied.workspace, copied.dataset, [1])
    return copied


@pytest.fixture
def counted(monkeypatch):
    """Count the openings of each artifact, and the replays of a log."""
    opened, replays = collections.Counter(), []
    read, after = manifest.read, EditState.after.__func__

    def counting(folder):
        opened[folder.name] += 1
        return read(folder)

    def replay(cls, entries, n_rows):
        replays.append(len(entries))
        return after(cls, entries, n_rows)

    monkeypatch.setattr(manifest, "read", counting)
    monkeypatch.setattr(EditState, "after", classmethod(replay))
    return opened, replays


def run(home, stage):
    w = home.workspace
    probe = {"model": "scratch:tiny", "rows": 40, "epochs": 1.0, "checkpoints": 2}
    arms = {"strategies": "s2l,random,random_token_matched", "seeds": "0,1", "budget": "20%"}
    target = {"model": "scratch:tiny", "steps": 2, "decode": 0}
    matched = {"strategy": "random_cost_matched", "match": home.selection}
    stages = {
        "dataset": lambda: dataset.run(w, dataset.Settings(path=str(home.file), name="again")),
        "trajectories": lambda: trajectories.run(
            w, trajectories.Settings(dataset=home.dataset, **TRAIN)
        ),
        "clusters": lambda: clusters.run(
            w, clusters.Settings(trajectories=home.trajectories, k=4, without=1, map=False)
        ),
        "layout": lambda: layout.run(
            w, layout.Settings(trajectories=home.trajectories, method="pca")
        ),
        "transfer": lambda: transfer.run(
            w, transfer.Settings(trajectories=home.trajectories, **probe)
        ),
        "selection": lambda: selection.run(
            w, selection.Settings(parent=home.clusters, keep=home.selection, budget="50%")
        ),
        "matched": lambda: selection.run(
            w, selection.Settings(parent=home.clusters, target_parameters=1e9, **matched)
        ),
        "reproduce": lambda: reproduce.differences(w, home.selection),
        "finetune": lambda: finetune.run(
            w, finetune.Settings(selection=home.selection, eval=home.dataset, **TUNE)
        ),
        "study": lambda: study.run(
            w,
            study.Settings(clusters=home.clusters, selections=home.selection, **arms, **target),
        ),
        "export": lambda: export.run(
            w, export.Settings(selection=home.selection, out=str(w.root / "out"), format="messages")
        ),
    }
    stages[stage]()


LINEAGE = {
    "dataset": (),
    "trajectories": ("dataset",),
    "clusters": ("trajectories", "dataset"),
    "layout": ("trajectories",),
    "transfer": ("trajectories", "dataset"),
    "selection": ("clusters", "trajectories", "dataset", "selection"),
    "matched": ("clusters", "trajectories", "dataset", "selection"),
    "reproduce": ("clusters", "trajectories", "dataset", "selection"),
    "finetune": ("clusters", "trajectories", "dataset", "selection"),
    "export": ("clusters", "trajectories", "dataset", "selection"),
}
"""What a run has to open."""
REPLAYS = {"clusters": 1, "selection": 1, "matched": 1, "reproduce": 1}


@pytest.mark.parametrize("stage", LINEAGE)
def test_a_run_opens_each_artifact_of_its_lineage_once(home, counted, stage):
    opened, replays = counted
    run(home, stage)
    assert opened == {getattr(home, kind): 1 for kind in LINEAGE[stage]}
    assert len(replays) == REPLAYS.get(stage, 0)


def test_a_study_opens_each_artifact_once_its_own_selections_included(home, counted):
    opened, replays = counted
    before = {e.id for e in home.workspace.entries()}
    run(home, "study")
    made = [e for e in home.workspace.entries("selection") if e.id not in before]
    assert len(made) == 8  # 3 strategies and the saved one, twice
    lineage = [home.dataset, home.trajectories, home.clusters, home.selection]
    assert opened == dict.fromkeys([*lineage, *(e.id for e in made)], 1)
    assert len(replays) == 1
