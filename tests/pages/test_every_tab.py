"""Every tab of every page opens on workspaces of every origin."""

import pathlib
import tarfile
from typing import NamedTuple

import numpy as np
import pytest

from core import clusters, dataset, selection, trajectories
from core.workspace.store import Workspace
from tests.conftest import TRAIN, rows, write
from tests.core.test_old_workspace import FIXTURES, IDS
from tests.pages.conftest import go, words

NAMED = {
    "dataset": "dataset",
    "trajectories": "trajectories",
    "clusters": "clusters",
    "selection": "selection",
    "finetune": "selection",
    "study": "clusters",
}
"""What the address of each page names."""
ORIGINS = {
    "imported": (lambda row, i: row["task"], 3),
    "no source": (None, 3),
    "one source": (lambda row, i: "all", 3),
    "300 sources": (lambda row, i: f"source {i % 300}", 3),
    "one recording": (lambda row, i: row["task"], 1),
}
"""Workspaces that need no training -> the source of a row, and the recordings of its losses."""


class Made(NamedTuple):
    """What a page can be about."""

    root: pathlib.Path
    dataset: str
    trajectories: str
    clusters: str
    selection: str


def grouped(workspace, paths):
    """Cluster and select, as little as it takes."""
    groups = clusters.run(workspace, clusters.Settings(trajectories=paths, k=4, map=False))
    chosen = selection.run(workspace, selection.Settings(parent=groups, budget="20%"))
    data = workspace.open(paths).parents["dataset"]
    return Made(workspace.root, data, paths, groups, chosen)


def imported(folder, origin):
    """Import rows, and losses as other code would have recorded them."""
    source, recordings = ORIGINS[origin]
    workspace = Workspace(folder / "workspace")
    kept = [r for r in rows() if r["answer"] and len(r["answer"]) < 1000]
    if origin == "300 sources":
        kept = [r | {"question": f"{r['question']} {n}"} for n in range(4) for r in kept]
    records = [
        {"question": row["question"], "answer": row["answer"]}
        | ({"source": source(row, i)} if source else {})
        for i, row in enumerate(kept)
    ]
    settings = dataset.Settings(path=str(write(folder / "rows.jsonl", records)))
    data = dataset.run(workspace, settings)
    n = workspace.open(data).summary["rows"]
    losses = np.random.default_rng(0).random((n, recordings)) + np.arange(recordings)[::-1]
    losses[5] = np.nan  # a row that could not be measured
    np.save(folder / "losses.npy", losses.astype(np.float32))
    wanted = trajectories.Settings(dataset=data, source=str(folder / "losses.npy"))
    return grouped(workspace, trajectories.run(workspace, wanted))


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    root = tmp_path_factory.mktemp("old")
    with tarfile.open(FIXTURES / "old_workspace.tar.gz") as tar:
        tar.extractall(root, filter="data")
    return root / "workspace"


@pytest.fixture(scope="module")
def made(finished, old, tmp_path_factory):
    """Return a function from an origin to what was made of it, once."""
    known = {}

    def make(origin):
        if origin in ORIGINS:
            return imported(tmp_path_factory.mktemp("imported"), origin)
        if origin == "old":
            return Made(old, IDS["data"], IDS["proxy"], IDS["groups"], IDS["quotas"])
        if origin == "extended":
            return Made(old, IDS["next"], IDS["extended"], IDS["carried"], IDS["topped up"])
        if origin == "epoch losses":
            wanted = trajectories.Settings(
                dataset=finished.dataset, **TRAIN | {"record": "epoch", "epochs": 1.0}
            )
            return grouped(finished.workspace, trajectories.run(finished.workspace, wanted))
        ids = (finished.dataset, finished.trajectories, finished.clusters, finished.selection)
        return Made(finished.root, *ids)

    def once(origin):
        if origin not in known:
            known[origin] = make(origin)
        return known[origin]

    return once


def sound(at, where):
    assert not at.exception, f"{where}: {at.exception[0].message} {at.exception[0].stack_trace}"
    assert [e.value for e in at.error] == [], where


@pytest.mark.parametrize("origin", ["trained", "epoch losses", "old", "extended", *ORIGINS])
def test_every_tab_of_every_page_opens(visit, made, origin):
    this = made(origin)
    at = visit(this.root, "overview")
    sound(at, "overview")
    opened = 0
    for page, kind in NAMED.items():
        go(at, page)
        at.query_params[kind] = getattr(this, kind)
        at.run()
        sound(at, page)
        assert at.query_params[kind] == [getattr(this, kind)] or at.query_params[kind] == getattr(
            this, kind
        )
        for label in [tab.label for tab in at.tabs]:
            at.session_state[f"{page}:tab"] = label
            at.run()
            sound(at, f"{label} of {page}")
            opened += 1
    assert opened >= 20


@pytest.mark.parametrize("cluster", ["²", "-1", "9" * 5000, "1e3", "999999999"])
def test_a_link_to_no_cluster_shows_the_page(visit, finished, cluster):
    at = visit(finished.root, "clusters", clusters=finished.clusters, cluster=cluster)
    assert not at.exception
    assert at.selectbox(key="clusters:cluster").value is None


def test_a_link_to_no_tab_map_or_colour_shows_the_page(visit, finished):
    odd = dict.fromkeys(("tab", "map", "colour"), "²")
    at = visit(finished.root, "clusters", clusters=finished.clusters, **odd)
    sound(at, "clusters")


@pytest.mark.parametrize("page", NAMED)
def test_what_is_not_an_id_is_refused_without_showing_it(visit, finished, page):
    at = visit(finished.root, page, **{page: "![i](http://evil.test/i)"})
    assert not at.exception
    (shown,) = at.error
    assert f"What the address has for {page} is not an id" in shown.value
    assert "evil" not in words(at)
