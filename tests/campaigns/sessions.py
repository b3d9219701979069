"""Many browser sessions on one server: does its memory stay, and how long does a click take?

`python -m tests.campaigns.sessions 20 10 WORKSPACE [SECONDS] [SEED]`: so many sessions, so many minutes, with up
to so many seconds (default 20) between two clicks of one. Each opens pages of the workspace, runs them again,
turns pages, changes a slider, goes, and comes back as a new browser. A copy of the workspace is used. The first
third of the time is warm-up: for three quarters of it all click quickly, until what pages keep is full, so that
what grows afterwards is a leak. The last line is JSON: clicks, their median and 95th percentile in seconds, the
server's memory (least squares from the end of the warm-up to the end), the load of the machine, errors, and
what the server's log says.
"""

import collections
import json
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile
import threading
import time

import numpy as np
import psutil

from benchmarks.page_rerun import PAGES
from core.workspace.store import Workspace
from tests.campaigns.session import Session
from tests.e2e.conftest import Server

STAMP = re.compile(r"\d{4}-\d\d-\d\d ")
TURNS = ("Next", "Previous", "Show", "Save")
QUICK = 4.0
"""Seconds between two clicks of one, at most, while what pages keep is being filled."""
MOST = 12
"""Clicks after which a browser goes and another comes."""


def click(session: Session, rng: random.Random) -> float:
    """Do one thing that people do on a page and that starts no work; return its seconds."""
    turn = next((b for label in TURNS[:2] if (b := session.widget("button", label))), None)
    slider = session.widget("slider", "Clusters")
    if slider is not None and rng.random() < 0.3:
        k = float(rng.randint(int(slider.min), min(int(slider.max), int(slider.min) + 40)))
        return session.run(widgets=[(slider.id, "double_array_value", [k])])
    if turn is not None and rng.random() < 0.7:
        return session.run(widgets=[(turn.id, "trigger_value", True)])
    return session.run()


def person(port, ids, rng, quick, end, pause, took, wrong, lock) -> None:
    """Come and go until it is over, quickly at first."""
    while time.monotonic() < end:
        page = rng.choice(list(PAGES))
        there = ids.get(PAGES[page])
        query = f"{PAGES[page]}={rng.choice(there)}" if there else ""
        began = time.monotonic()
        try:
            session = Session(port, page if PAGES[page] else "", query)
            done = [("open " + page, time.monotonic() - began)]
            for _ in range(rng.randint(1, MOST)):
                slow = time.monotonic() > quick
                time.sleep(rng.random() * (pause if slow else min(pause, QUICK)))
                if time.monotonic() > end:
                    break
                done.append((page, click(session, rng)))
            errors = session.errors()
            session.close()
        except Exception as e:
            done, errors = [], [f"{page}: {type(e).__name__}: {e}"[:200]]
        with lock:
            took += [(time.monotonic(), *one) for one in done]
            wrong.update(errors)


def campaign(many, minutes, original, folder, pause=20.0, seed=0):
    """Let them work; return what was seen."""
    root = folder / "w"
    shutil.copytree(original, root, symlinks=True)
    ids = collections.defaultdict(list)
    for entry in Workspace(root).entries():
        if entry.state == "sealed":
            ids[entry.kind].append(entry.id)
    took, wrong, lock, memory, load = [], collections.Counter(), threading.Lock(), [], []
    server = Server(root, folder / "log")
    began = time.monotonic()
    end, warm = began + 60 * minutes, began + 20 * minutes
    try:
        process = psutil.Process(server.process.pid)
        people = [
            threading.Thread(
                target=person,
                args=(
                    server.port,
                    ids,
                    random.Random(f"{seed} {n}"),
                    began + 15 * minutes,
                    end,
                    pause,
                    took,
                    wrong,
                    lock,
                ),
            )
            for n in range(many)
        ]
        for one in people:
            one.start()
        while any(one.is_alive() for one in people):
            memory.append((time.monotonic(), process.memory_info().rss >> 20))
            load.append(os.getloadavg()[0])
            time.sleep(5)
    finally:
        server.kill()
    late = np.array([m for m in memory if warm < m[0] < end], float)
    line = np.polyval(np.polyfit(late[:, 0], late[:, 1], 1), late[[0, -1], 0])
    clicks = np.array([s for at, what, s in took if at > warm and not what.startswith("open")])
    opens = np.array([s for at, what, s in took if at > warm and what.startswith("open")])
    log = (folder / "log").read_text(errors="replace")
    return {
        "sessions": many,
        "minutes": minutes,
        "rows": max((Workspace(root).open(i).summary["rows"] for i in ids["dataset"]), default=0),
        "clicks": len(clicks),
        "click_s": [round(float(np.quantile(clicks, q)), 2) for q in (0.5, 0.95)],
        "opened": len(opens),
        "open_s": [round(float(np.quantile(opens, q)), 2) for q in (0.5, 0.95)],
        "memory_mb": [round(float(v)) for v in line],
        "growth_percent": round(100 * float(line[1] / line[0] - 1), 1),
        "memory_every_5_s": [int(m) for _, m in memory][:: max(1, len(memory) // 24)],
        "load": round(float(np.mean(load)), 1),
        "tracebacks": [part[:2000] for part in log.split("Traceback")[1:]],
        "said": sorted({line[24:300] for line in log.splitlines() if STAMP.match(line)}),
        "wrong": sorted(wrong.items()),
    }


def main() -> int:
    many, minutes, original, *more = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        found = campaign(
            int(many),
            float(minutes),
            pathlib.Path(original),
            pathlib.Path(folder),
            *map(float, more),
        )
    sys.stdout.write(json.dumps(found) + "\n")
    return int(bool(found["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
