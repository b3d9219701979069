"""Time a rerun of every page on a workspace of 1,000 artifacts against one of 10.

Both begin with the same small pipeline, made here; the others are copies of its artifacts with ids
of their own, of every kind in turn. Reruns of the two alternate, so that a slow moment hits both.

Run: python benchmarks/page_rerun.py [--artifacts 1000] [--jobs 0] [--against 10] [--reruns 15]

With --jobs the larger workspace has so many ended jobs, too; the smaller has none.
The last line of stdout is one JSON object: per page the median milliseconds of either and the
median of the ratios of pairs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from streamlit.testing.v1 import AppTest

from core import clusters, dataset, finetune, layout, selection, study, trajectories
from core.demo import puzzles
from core.workspace import manifest
from core.workspace.artifact import Artifact
from core.workspace.files import write_json, write_jsonl
from core.workspace.store import Workspace

MAIN = pathlib.Path(__file__).resolve().parents[1] / "dashboard" / "main.py"
PAGES = {
    "overview": "",
    "dataset": "dataset",
    "trajectories": "trajectories",
    "clusters": "clusters",
    "selection": "selection",
    "finetune": "selection",
    "study": "study",
}
"""Page -> the kind of artifact that its address names."""
SETTLED = 2.5
"""Seconds until a file's times are settled."""


def pipeline(workspace: Workspace, folder: pathlib.Path) -> dict[str, Artifact]:
    """Make one artifact of every kind that pages show, by kind."""
    rows = itertools.islice((r for r in puzzles.generate(0) if r["split"] != "base"), 300)
    write_jsonl(folder / "rows.jsonl", map(dict, rows))
    settings = dataset.Settings(
        path=str(folder / "rows.jsonl"),
        prompt_column="question",
        response_column="answer",
        source_column="source",
        holdout="30",
    )
    data = dataset.run(workspace, settings)
    paths = trajectories.run(
        workspace,
        trajectories.Settings(
            dataset=data, model="scratch:tiny", epochs=1.0, checkpoints=3, map=False
        ),
    )
    drawn = layout.run(workspace, layout.Settings(trajectories=paths, method="pca"))
    groups = clusters.run(workspace, clusters.Settings(trajectories=paths, k=8, map=False))
    chosen = selection.run(workspace, selection.Settings(parent=groups))
    tuned = finetune.run(
        workspace,
        finetune.Settings(selection=chosen, model="scratch:tiny", steps=2, decode=4),
    )
    compared = study.run(
        workspace,
        study.Settings(
            clusters=groups,
            strategies="s2l,random",
            seeds="0",
            model="scratch:tiny",
            steps=2,
            decode=4,
        ),
    )
    ids = (data, paths, drawn, groups, chosen, tuned, compared)
    return {a.kind: a for a in map(workspace.open, ids)}


def copies(workspace: Workspace, originals: dict[str, Artifact], total: int) -> None:
    """Add copies, of every kind in turn, until there are so many artifacts.

    A copy is made from what the original was made from; its files are links to the original's.
    """
    kinds = itertools.cycle(originals.values())
    for number in range(total - len(workspace.entries())):
        original = next(kinds)
        id = f"20200101-{number:09}-0000"  # older than what it is a copy of
        folder = workspace.root / original.kind / id
        shutil.copytree(original.path, folder, copy_function=os.link)
        (folder / manifest.NAME).unlink()
        facts = {**original.manifest, "id": id, "name": f"{original.name} {number}"}
        facts.pop("self_sha256")
        write_json(folder / manifest.NAME, manifest.signed(facts))


def ended_jobs(workspace: Workspace, total: int) -> None:
    """Add jobs that are done, a noun after the other."""
    nouns = itertools.cycle(["dataset", "trajectories", "clusters", "finetune", "study"])
    for number in range(total):
        folder = workspace.root / "jobs" / f"20200101-{number:09}-0000"
        folder.mkdir(parents=True)
        argv = ["python", "-m", "core", next(nouns)]
        moment = "2020-01-01T00:00:00.000+00:00"
        facts = {"id": folder.name, "argv": argv, "created": moment, "title": f"job {number}"}
        write_json(folder / "spec.json", {**facts, "cwd": ".", "device": "cpu", "key": ""})
        write_json(folder / "worker.json", {"pgid": 1, "supervisor": 1, "started": moment})
        write_json(folder / "status.json", {"state": "done", "result": "", "message": ""})
        write_jsonl(folder / "progress.jsonl", [{"stage": "train", "step": 9, "total": 9}])
        for name in ("lock", "supervisor.lock", "log"):
            (folder / name).touch()


def rerun(at: AppTest, workspace: Workspace) -> float:
    """Run a page again; return milliseconds."""
    os.environ["S2L_WORKSPACE"] = str(workspace.root)
    start = time.perf_counter()
    at.run()
    took = 1000 * (time.perf_counter() - start)
    if at.exception:
        raise SystemExit(f"the page failed: {at.exception[0].value}")
    return took


def visit(page: str, workspace: Workspace, ids: dict[str, str]) -> AppTest:
    """Open a page as a new browser would."""
    os.environ["S2L_WORKSPACE"] = str(workspace.root)
    at = AppTest.from_file(str(MAIN), default_timeout=300).run()
    if page != "overview":
        at.switch_page(f"../pages/{page}.py")
        for kind, id in ids.items():
            at.query_params[kind] = id
        at.run()
    return at


def main() -> None:
    """Make both workspaces, time every page, print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifacts", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--against", type=int, default=10)
    parser.add_argument("--reruns", type=int, default=15)
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # Streamlit's, of running without a browser
    result: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as place:
        few, many = (Workspace(pathlib.Path(place) / name) for name in ("few", "many"))
        originals = pipeline(few, pathlib.Path(place))
        shutil.copytree(few.root, many.root)
        copies(few, originals, args.against)
        copies(many, {k: many.open(a.id) for k, a in originals.items()}, args.artifacts)
        ended_jobs(many, args.jobs)
        time.sleep(SETTLED)
        for page, kind in PAGES.items():
            ids = {kind: originals[kind].id} if kind else {}
            pages = [(visit(page, w, ids), w) for w in (few, many)]
            times = [[rerun(at, w) for at, w in pages] for _ in range(args.reruns + 2)][2:]
            small, large = zip(*times, strict=True)
            result[page] = {
                "few_ms": round(statistics.median(small), 1),
                "many_ms": round(statistics.median(large), 1),
                "ratio": round(statistics.median(b / a for a, b in times), 2),
            }
            print(page, result[page], flush=True)
    print(
        json.dumps(
            {"artifacts": [args.against, args.artifacts], "jobs": args.jobs, "pages": result}
        )
    )


if __name__ == "__main__":
    main()
