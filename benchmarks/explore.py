"""Exploring a large workspace: how long the things take that a person waits for.

- recluster: another K. Ours against scikit-learn's best of 3 (n_init=3, run to convergence), the
  order reversed every round, another seed every round; then all that the page needs of a new K.
- layout: the map, by the command that a job runs, compilation included; and how true it is.
- search: substrings and expressions over all texts.
- change: another K and a search in a browser, from the key press to the page at rest.
- page: the clusters page of a million rows in a browser, and the plain way (a WebGL point a row,
  the library's own list of selected points) beside it, on as many rows as it stands.
- full: UMAP fitted on all rows instead of a sample (only when asked for: it takes many minutes).

Trustworthiness (Venna and Kaski 2001), 15 neighbours: 1 minus a penalty for rows that are near on
the map and not in the data. Of 5,000 sampled rows, compared among themselves; and of 1,000 of them,
with neighbours and ranks among all rows.

Run: python benchmarks/explore.py [--workspace DIR] [--million DIR] [--only PARTS] [--rounds 3]
Without workspaces (of make_workspace.py), one of 262,040 rows x 24 with real-length texts is made,
and for `page` one of 1,000,000 x 24.
The last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import functools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
import numpy.typing as npt

from benchmarks import in_browser, make_workspace
from core import clusters, layout
from core.arrays import Float32s
from core.clusters import kmeans
from core.clusters import kmeans as clusters_kmeans
from core.clusters import statistics as clustering
from core.dataset import search
from core.trajectories import features
from core.trajectories.artifact import load_flags, load_losses, load_steps
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROWS, CHECKPOINTS, K = 262_040, 24, 100
PLAIN_ROWS = 100_000
RERUNS = 200
PROBE, PROBE_ALL, NEIGHBOURS = 5_000, 1_000, 15
SEED = 20_261_125
"""Of the map that is made to be timed: no other has it."""
FIRST_SEED = 5000
"""Of the rounds of k-means; its numbers of steps were chosen on others."""


def say(text: str) -> None:
    """Write a line for a person."""
    sys.stderr.write(text + "\n")


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a call gives and the seconds it took."""
    began = time.perf_counter()
    out = work()
    return out, time.perf_counter() - began


def recluster(workspace: Workspace, made: Artifact, rounds: int) -> dict[str, Any]:
    """Measure another K: k-means against scikit-learn's, then all that a page needs."""
    from sklearn.cluster import KMeans

    losses, flags = np.asarray(load_losses(made)), load_flags(made)
    x = features.features(losses[np.isfinite(losses).all(1)], "raw")
    times, inertias = [], []
    for seed in range(FIRST_SEED, FIRST_SEED + rounds):
        works = {
            "sklearn": lambda s=seed: KMeans(K, n_init=3, random_state=s).fit(x).inertia_,
            "ours": lambda s=seed: kmeans.fit(x, K, s).inertia,
        }
        found = {name: timed(works[name]) for name in sorted(works, reverse=seed % 2 == 0)}
        (theirs, slow), (ours, fast) = found["sklearn"], found["ours"]
        times.append(fast / slow)
        inertias.append(ours / theirs)
        say(f"k-means: {fast:.2f} s of {slow:.2f} s, inertia {inertias[-1]:.4f} of theirs")
    dataset, ids = made.ancestor("dataset"), flags["id"].to_numpy()

    def everything(k: int) -> None:
        found = clusters_kmeans.cluster(losses, ids, k)
        clustering.describe(found.labels, losses, flags)
        clustering.quantiles(losses, found.labels, load_steps(made))
        clusters.name(dataset, ids, found.labels)

    seconds = [timed(functools.partial(everything, k))[1] for k in range(K - rounds, K)]
    return {
        "rows": len(x),
        "kmeans_time_ratio": round(statistics.median(times), 3),
        "kmeans_time_ratios": [round(t, 3) for t in times],
        "inertia_ratio": round(statistics.median(inertias), 4),
        "inertia_ratios": [round(i, 4) for i in inertias],
        "recluster_engine_s": round(statistics.median(seconds), 2),
        "recluster_engine_all_s": [round(s, 2) for s in seconds],
    }


def draw(workspace: Workspace, made: Artifact, rounds: int) -> dict[str, Any]:
    """Time the command that draws the map, and say how true the map is."""
    argv = [sys.executable, "-m", "core", "layout", "--trajectories", made.id]
    argv += ["--seed", str(SEED), "--workspace", str(workspace.root)]
    run, seconds = timed(
        lambda: subprocess.run(argv, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE)
    )
    id = run.stdout.split()[-1]
    xy = np.load(workspace.open(id).path / "xy.npy")
    workspace.delete(id)
    placed = np.isfinite(xy[:, 0])
    x = features.features(np.asarray(load_losses(made))[placed], "raw")
    among, of_all = trust(x, xy[placed])
    return {
        "layout_s": round(seconds, 1),
        "trustworthiness": round(among, 4),
        "trustworthiness_all": round(of_all, 4),
    }


def full(workspace: Workspace, made: Artifact, rounds: int) -> dict[str, Any]:
    """Fit UMAP on all rows, with its own neighbour search."""
    import umap

    losses = np.asarray(load_losses(made))
    x = features.features(losses[np.isfinite(losses).all(1)], "raw")
    layout.warm_up()
    reducer = umap.UMAP(
        n_neighbors=layout.NEIGHBOURS,
        min_dist=0.1,
        init="pca",
        n_epochs=layout.EPOCHS,
        random_state=SEED,
        n_jobs=1,
    )
    xy, seconds = timed(lambda: np.asarray(reducer.fit_transform(x), np.float32))
    among, of_all = trust(x, xy)
    return {
        "full_layout_s": round(seconds, 1),
        "full_trustworthiness": round(among, 4),
        "full_trustworthiness_all": round(of_all, 4),
    }


def find(workspace: Workspace, made: Artifact, rounds: int) -> dict[str, Any]:
    """Time searches over all texts."""
    dataset = made.ancestor("dataset")
    words = (("triangle", False), ("the square", False), (r"tri\w+le|\d{3}", True))
    times = [
        timed(functools.partial(search.search, dataset, word, regex=regex))[1]
        for word, regex in words * rounds
    ]
    return {"search_s": round(statistics.median(times), 2), "search_max_s": round(max(times), 2)}


def change(workspace: Workspace, made: Artifact, rounds: int) -> dict[str, Any]:
    """Change K and search in a browser."""
    with chromium() as browser:
        return in_browser.change(browser, workspace.root, made.id)


def page(workspace: Workspace, made: Artifact, rounds: int) -> dict[str, Any]:
    """Explore a million rows in a browser, and as many as stand it the plain way."""
    kept = next(e.id for e in workspace.entries("clusters") if made.id in e.parents.values())
    xy = next(
        workspace.open(e.id).path / "xy.npy"
        for e in workspace.entries("layout")
        if made.id in e.parents.values()
    )
    with chromium() as browser:
        found: dict[str, Any] = in_browser.explore(browser, workspace.root, kept, RERUNS)
        return found | in_browser.plain(browser, workspace.root, xy, PLAIN_ROWS)


def million(place: str) -> str:
    """Make a workspace of a million rows, clusters and map included, and return its place."""
    maker = ROOT / "benchmarks" / "make_workspace.py"
    subprocess.run(
        [sys.executable, maker, "--workspace", place], check=True, stdout=subprocess.DEVNULL
    )
    return place


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Start a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(
            executable_path=in_browser.CHROMIUM, args=list(in_browser.FLAGS)
        )
        yield browser
        browser.close()


def trust(x: Float32s, xy: Float32s) -> tuple[float, float]:
    """Return the trustworthiness of a map: of a sample among itself, and among all rows."""
    from sklearn.manifold import trustworthiness

    probe = np.sort(np.random.default_rng(0).permutation(len(x))[:PROBE])
    among = float(trustworthiness(x[probe], xy[probe], n_neighbors=NEIGHBOURS))
    return among, trust_of_all(x, xy, probe[:: PROBE // PROBE_ALL])


def trust_of_all(x: Float32s, xy: Float32s, probe: npt.NDArray[np.int64]) -> float:
    """Return the trustworthiness of the neighbours that some rows have among all rows."""
    from sklearn.neighbors import NearestNeighbors

    n, k, penalty = len(x), NEIGHBOURS, 0
    near = NearestNeighbors(n_neighbors=k + 1).fit(xy).kneighbors(xy[probe], return_distance=False)
    for row, found in zip(probe, near, strict=True):
        distance = np.square(x - x[row]).sum(1)
        others = found[found != row][:k]
        rank = (distance[:, None] < distance[others]).sum(0)  # the row itself is before all
        penalty += int(np.maximum(rank - k, 0).sum())
    return 1 - 2 * penalty / (len(probe) * k * (2 * n - 3 * k - 1))


PARTS: dict[str, Callable[[Workspace, Artifact, int], dict[str, Any]]] = {
    "recluster": recluster,
    "layout": draw,
    "search": find,
    "change": change,
    "page": page,
    "full": full,
}
USUAL = "recluster,layout,search,change,page"


def main() -> None:
    """Measure what was asked for and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workspace", help="one that make_workspace.py made")
    parser.add_argument("--million", help="the same, of a million rows, with a map")
    parser.add_argument("--only", default=USUAL, help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    names = args.only.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"--only knows {', '.join(PARTS)}; not {', '.join(unknown)}")
    warnings.filterwarnings("ignore", "n_jobs value", UserWarning)  # of seeded UMAP
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(args.workspace or folder)
        if args.workspace:
            made = workspace.open(workspace.entries("trajectories")[0].id)
        else:
            made = make_workspace.make(workspace, ROWS, CHECKPOINTS, "real-length", 0)
        result: dict[str, Any] = {
            "date": f"{dt.date.today()}",  # noqa: DTZ011
            "cores": os.cpu_count(),
            "checkpoints": made.summary["checkpoints"],
        }
        for name in names:
            where, what = workspace, made
            if name == "page":
                where = Workspace(args.million or million(f"{folder}/million"))
                what = where.open(where.entries("trajectories")[0].id)
            result |= PARTS[name](where, what, args.rounds)
            say(f"{name}: {result}")
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
