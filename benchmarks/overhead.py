"""What the open dashboard takes from a training: one run, the page open and shut by turns.

The overhead is the share of this machine's processors that the server takes more with the page open
than shut, in neighbouring stretches of the same run. Beside it stands how much slower the run's own
clock says it is; there the browser counts, which in life is another machine's (here at nice 19).

    python benchmarks/overhead.py [--pairs 6] [--seconds 20] [--model scratch:small]
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import random
import statistics
import sys
import tempfile
import time

import psutil
from in_browser import CHROMIUM, FLAGS, serve

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core import dataset, finetune, jobs, selection  # noqa: E402
from core.jobs.record import ACTIVE  # noqa: E402
from core.settings import to_argv  # noqa: E402
from core.workspace.files import read_jsonl  # noqa: E402
from core.workspace.store import Workspace  # noqa: E402


def main() -> None:
    """Measure, print the numbers as one line of JSON."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--pairs", type=int, default=6)
    asked.add_argument("--seconds", type=float, default=20.0)
    asked.add_argument("--model", default="scratch:small")
    o = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(pathlib.Path(folder) / "workspace")
        chosen = sums(workspace, pathlib.Path(folder) / "sums.jsonl")
        settings = finetune.Settings(selection=chosen, model=o.model, steps=4000, decode=0)
        id = jobs.submit(workspace, ["finetune", *to_argv(settings)], title="Overhead")
        try:
            with serve(str(ROOT / "streamlit_app.py"), workspace.root) as (address, server):
                found = by_turns(workspace, id, f"{address}/finetune?selection={chosen}", server, o)
        finally:
            jobs.stop(workspace, id)
            jobs.wait(workspace, id, 120)
    sys.stdout.write(json.dumps(found) + "\n")


def sums(workspace: Workspace, file: pathlib.Path) -> str:
    """Return a selection of 2,000 rows to train on."""
    rng = random.Random(0)
    with file.open("w") as f:
        for i in range(2000):
            a, b = rng.randint(0, 9999), rng.randint(0, 9999)
            row = {"question": f"{i}: what is {a} + {b}?", "answer": f"{a} + {b} = {a + b}"}
            f.write(json.dumps(row) + "\n")
    data = dataset.run(workspace, dataset.Settings(path=str(file)))
    return selection.run(workspace, selection.Settings(parent=data, strategy="full"))


def by_turns(
    workspace: Workspace, id: str, address: str, server: int, o: argparse.Namespace
) -> dict[str, object]:
    """Open and shut the page by turns while the job trains; return what was measured."""
    from playwright.sync_api import sync_playwright

    while jobs.status(workspace, id).step < 5:
        assert jobs.status(workspace, id).state in ACTIVE, jobs.log_tail(workspace, id)
        time.sleep(1)
    os.setpriority(os.PRIO_PROCESS, 0, 19)  # the browser and its driver inherit it
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        speeds: dict[bool, list[float]] = {True: [], False: []}
        shares: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(2 * o.pairs):
            open_ = (turn + turn // 2) % 2 == 0  # open, shut, shut, open: drift evens out
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            if open_:
                page.goto(address, timeout=300_000)
                page.get_by_text("Training loss").first.wait_for(timeout=300_000)
                time.sleep(3)  # what a page takes once, when it is opened, is over
            steps, cpu = watched(workspace, id, server, o.seconds)
            page.close()
            speeds[open_].append(steps)
            shares[open_].append(cpu)
            told = f"{'open' if open_ else 'shut'}: {steps:.3f} steps/s, server {cpu:.2%} of a core"
            sys.stderr.write(told + "\n")
            time.sleep(1)
        browser.close()
    ratios = [a / b for a, b in zip(speeds[True], speeds[False], strict=True)]
    taken = [a - b for a, b in zip(shares[True], shares[False], strict=True)]
    cores = os.cpu_count() or 1
    return {
        "pairs": o.pairs,
        "overhead": round(statistics.median(taken) / cores, 4),
        "overhead_worst": round(max(taken) / cores, 4),
        "slower_with_the_browser_here": round(1 - statistics.median(ratios), 4),
        "slower_range": [round(1 - max(ratios), 4), round(1 - min(ratios), 4)],
        "load": round(os.getloadavg()[0], 1),
    }


def watched(workspace: Workspace, id: str, server: int, seconds: float) -> tuple[float, float]:
    """Return steps a second by the run's own clock, and the server's share of a core."""
    process = psutil.Process(server)
    before, began = process.cpu_times(), time.time()
    time.sleep(seconds)
    spent = sum(process.cpu_times()[:2]) - sum(before[:2])
    took = time.time() - began
    file = workspace.root / "jobs" / id / "progress.jsonl"
    seen = [r for r in read_jsonl(file) if r["time"] >= began and r["stage"] == "train target"]
    steps = seen[-1]["step"] - seen[0]["step"]
    return steps / (seen[-1]["time"] - seen[0]["time"]), spent / took


if __name__ == "__main__":
    main()
