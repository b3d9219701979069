import numpy as np
import pandas as pd
import pytest

from core import clusters, edits
from tests.core.clusters.test_kmeans import ids


def test_the_sealed_artifact(finished):
    made = finished.workspace.open(finished.clusters, "clusters")
    labels = np.load(made.path / "labels.npy")
    table = pd.read_parquet(made.path / "table.parquet")
    flags = pd.read_parquet(finished.workspace.open(finished.trajectories).path / "flags.parquet")
    assert ((labels < 0) == (flags["flag"] != "")).all()
    assert (
        table["size"].tolist() == sorted(table["size"]) == np.bincount(labels[labels >= 0]).tolist()
    )
    assert made.config["k"] == 6
    assert made.summary["clustered"] + made.summary["left_out"] == len(labels)
    assert made.summary["cluster_seconds"] > 0
    assert (np.load(made.path / "centroids.npy")).shape == (6, 3)
    assert made.parents == {"trajectories": finished.trajectories}


def test_another_k_out_of_range_leaves_nothing_behind(finished):
    before = finished.workspace.entries()
    with pytest.raises(ValueError, match="choose K from 1 to"):
        clusters.run(
            finished.workspace,
            clusters.Settings(trajectories=finished.trajectories, k=1000, map=False),
        )
    assert finished.workspace.entries() == before


def settings_of(copied, **more):
    return clusters.Settings(trajectories=copied.trajectories, map=False, **more)


def test_the_same_clustering_is_made_once(copied, capsys):
    made = clusters.run(copied.workspace, settings_of(copied, k=5, seed=7))
    before = ids(copied)
    capsys.readouterr()
    assert clusters.run(copied.workspace, settings_of(copied, k=5, seed=7)) == made
    assert capsys.readouterr().err.startswith(f"{made} was made with the same settings")
    assert ids(copied) == before
    others = [
        {"k": 5, "seed": 8},
        {"k": 4, "seed": 7},
        {"k": 5, "seed": 7, "features": "diff"},
        {"k": 5, "seed": 7, "include_start": True},
        {"k": 5, "seed": 7, "name": "by another name"},
    ]
    new = [clusters.run(copied.workspace, settings_of(copied, **how)) for how in others]
    assert len({made, *new}) == len(others) + 1
    assert clusters.run(copied.workspace, settings_of(copied, **others[-1])) == new[-1]


def test_the_k_of_auto_is_the_same_clustering_as_its_number(copied):
    auto = copied.workspace.open(clusters.run(copied.workspace, settings_of(copied, seed=9)))
    wanted = settings_of(copied, seed=9, k=auto.config["k"])
    assert clusters.run(copied.workspace, wanted) == auto.id


def test_the_same_excluded_rows_are_the_same_clustering(copied):
    rows = np.flatnonzero(np.load(copied.workspace.open(copied.clusters).path / "labels.npy") >= 0)
    edits.exclude(copied.workspace, copied.dataset, rows[:9])
    first = clusters.run(copied.workspace, settings_of(copied, k=4, without=1))
    edits.note(copied.workspace, copied.dataset, rows[:2], "looked at")
    assert clusters.run(copied.workspace, settings_of(copied, k=4, without=2)) == first
    edits.exclude(copied.workspace, copied.dataset, rows[9:12])
    assert clusters.run(copied.workspace, settings_of(copied, k=4, without=1)) == first
    assert clusters.run(copied.workspace, settings_of(copied, k=4, without=3)) != first
    assert clusters.run(copied.workspace, settings_of(copied, k=4)) != first


def test_a_clustering_without_a_fingerprint_is_found_by_its_config(copied):
    made = copied.workspace.open(clusters.run(copied.workspace, settings_of(copied, k=5, seed=7)))
    younger = ("extend", "without")
    config = {name: value for name, value in made.config.items() if name not in younger}
    old = copied.workspace.draft("clusters", name="old", config=config, parents=made.parents)
    old = old.seal(dict(made.summary))
    copied.workspace.delete(made.id)
    assert (
        clusters.find(
            copied.workspace,
            copied.workspace.open(copied.trajectories),
            settings_of(copied, k=5, seed=7),
        ).id
        == old.id
    )
    assert (
        clusters.find(
            copied.workspace,
            copied.workspace.open(copied.trajectories),
            settings_of(copied, k=5, seed=8),
        )
        is None
    )
    assert (
        clusters.find(
            copied.workspace,
            copied.workspace.open(copied.trajectories),
            settings_of(copied, k=5, seed=7, extend="x"),
        )
        is None
    )
