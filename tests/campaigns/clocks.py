"""The machine's time is set forward and back while jobs wait and run: nothing else may change.

`python -m tests.campaigns.clocks 300 [SEED]`. Ids and the queue: each workspace gets jobs and drafts
while the clock that the product reads jumps. States: what jobs have written is dated as it would be if
the time had been set afterwards, by up to ten years. The last line is JSON: tried, and what was wrong.
"""

import collections
import contextlib
import datetime as dt
import fcntl
import json
import os
import pathlib
import random
import sys
import time
import warnings
from importlib import import_module
from unittest import mock

from core import jobs
from core.jobs.record import SILENT
from core.workspace.store import Workspace
from tests.campaigns.command import main
from tests.summaries import whole

JUMPS = (1, 59, 601, 3600, 86_400, 366 * 86_400, 3653 * 86_400)
"""Seconds."""
LEFT = 60.0


class Clock:
    """The time of day, as it can be set; the one from the machine's start goes on as it does."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def utc_now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.ahead)


def jump(rng: random.Random) -> float:
    return rng.choice((-1, 1)) * rng.choice(JUMPS) * (0.5 + rng.random() / 2)


@contextlib.contextmanager
def patched(clock: Clock):
    """Let the product read this clock, and start no process for a job: its lock is held here."""
    real, held = time.time, []

    def now():
        return real() + clock.ahead

    def detach(folder, args, fds):
        held.append(os.dup(fds[0]))

    with contextlib.ExitStack() as stack:
        for name in ("artifact", "draft"):
            module = import_module(f"core.workspace.{name}")
            stack.enter_context(mock.patch.object(module, "utc_now", clock.utc_now))
        for name in ("queue", "files"):
            module = import_module(f"core.jobs.{name}")
            stack.enter_context(mock.patch.object(module, "utc_now", clock.utc_now))
        queue = import_module("core.jobs.queue")
        stack.enter_context(mock.patch.object(queue, "_detach", detach))
        stack.enter_context(mock.patch.object(time, "time", now))
        try:
            yield
        finally:
            for fd in held:
                os.close(fd)


def order(root: pathlib.Path, rng: random.Random) -> list[str]:
    """Submit jobs and begin drafts between jumps; return what is not in the order it came in."""
    workspace, clock, wrong = Workspace(root), Clock(), []
    submitted, begun = [], []
    with patched(clock):
        for n in range(6):
            argv = ["selection", "--parent", "x", "--seed", f"{n}"]
            submitted.append(jobs.submit(workspace, argv, title=f"{n}", device="cpu"))
            draft = workspace.draft("selection", name=f"{n}", config={}, parents={})
            clock.ahead += jump(rng)
            begun.append(draft.seal(whole("selection")).id)
            if workspace.open(begun[-1]).manifest["seconds"] < 0:
                wrong.append("an artifact took less than no time")
            if [e.id for e in workspace.recent("selection")] != begun[::-1]:
                wrong.append("artifacts are not listed newest first")
        listed = jobs.jobs(workspace)
        if [j.id for j in listed] != submitted[::-1]:
            wrong.append("jobs are not listed newest first")
        if [j.ahead for j in listed] != [5, 4, 3, 2, 1, 0]:
            wrong.append(f"the queue is not first come, first served: {[j.ahead for j in listed]}")
        newest = jobs.newest(workspace, "selection", parent="x")
        if not newest or newest.id != submitted[-1]:
            wrong.append("another job than the newest is taken for it")
    return wrong


def states(root: pathlib.Path, rng: random.Random) -> list[str]:
    """Date what a job has written as after a jump; return what is said of it that is not so."""
    state = rng.choice(("queued", "begun", "running", "silent", "stopping", "done", "lost"))
    folder, by = root / "jobs" / "20260101-000000000-aaaa", jump(rng)
    folder.mkdir(parents=True)
    ago = SILENT * (1.5 + rng.random()) if state == "silent" else rng.random() * 50
    then, clock = time.time() - ago - by, time.monotonic() - ago
    files = {"spec.json": {"id": folder.name, "title": "t", "argv": ["python", "-m", "core"]}}
    files["spec.json"]["created"] = dt.datetime.fromtimestamp(then, dt.UTC).isoformat()
    if state != "queued":
        with mock.patch.object(time, "monotonic", return_value=clock):
            import_module("core.jobs.files").write_worker(folder, 1, 1)
    if state not in ("queued", "begun"):
        line = {"stage": "a", "step": 1, "total": 2, "left": LEFT, "time": then, "clock": clock}
        files["progress.jsonl"] = line
    if state == "stopping":
        files["STOP"] = ""
    if state == "done":
        files["status.json"] = {"state": "done", "result": "x"}
    for name, facts in files.items():
        (folder / name).write_text(json.dumps(facts) + "\n" if facts else "")
    for file in folder.iterdir():
        os.utime(file, (then, then))
    with (folder / "lock").open("a") as lock:
        if state != "lost":
            fcntl.flock(lock, fcntl.LOCK_EX)
        job = jobs.status(Workspace(root), folder.name)
    shown = {"begun": "running", "silent": "running"}.get(state, state)
    wrong = [] if job.state == shown else [f"{state} is shown as {job.state}"]
    frozen = "not responding" in job.message
    if frozen and state != "silent":
        wrong.append(f"{state} for {ago:.0f} s is called not responding after {by:+.0f} s")
    if state == "silent" and by >= 0 and not frozen:
        wrong.append(f"silent for {ago:.0f} s and not said so after {by:+.0f} s")
    left = job.seconds_left
    if state == "running" and (left is None or not LEFT - ago - 5 <= left <= LEFT):
        wrong.append(f"{left} s left of {LEFT:.0f} begun {ago:.0f} s ago, after {by:+.0f} s")
    return wrong


def pages(root: pathlib.Path, rng: random.Random) -> list[str]:
    """Damage an artifact that a page has listed; after a jump the page must see it as soon."""
    workspace, clock = Workspace(root), Clock()
    with patched(clock), mock.patch("core.workspace.store.RECHECK", 0.0):
        made = workspace.draft("selection", name="a", config={}, parents={}).seal(
            whole("selection")
        )
        old = time.time() - 86_400 * 5000
        os.utime(root / "selection", (old, old))
        workspace.recent("selection")
        clock.ahead = jump(rng)
        (made.path / "manifest.json").write_text("{")
        time.sleep(0.001)
        seen = [e.state for e in workspace.recent("selection")]
    return [] if seen == ["damaged"] else [f"damage is not seen after {clock.ahead:+.0f} s"]


PARTS = {"order": order, "states": states, "pages": pages}


def campaign(n: int, seed: int = 0, *, folder: pathlib.Path) -> dict:
    """Try so often; return what was seen."""
    rng, found = random.Random(seed), {"tried": collections.Counter(), "wrong": []}
    wrong = collections.Counter()
    for number in range(n):
        name = list(PARTS)[number % len(PARTS)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seen = PARTS[name](folder / f"{number}", rng)
        found["tried"][name] += 1
        wrong.update(f"{name}: {text}" for text in seen)
    return {**found, "wrong": sorted(wrong.items())}


if __name__ == "__main__":
    sys.exit(main(campaign, 300))
