"""Many processes and threads on one workspace at once: begin, look, resume, seal, delete, list, check.

`python -m tests.campaigns.races SECONDS [SEED] [PROCESSES] [FOLDER]`: each process does at random, in three threads,
what servers and command lines do, to the same few runs and jobs. Whatever is refused is refused in a sentence
that is true. The last line is JSON: how often each was done and refused, and what was wrong.
"""

import collections
import json
import pathlib
import random
import re
import subprocess
import sys
import threading
import time
import traceback

from core import jobs
from core.errors import InputError
from core.jobs import reorder
from core.jobs.queue import _spawn
from core.review import whole_workspace
from core.workspace.files import ROOT
from core.workspace.store import Workspace
from tests.campaigns.command import main
from tests.summaries import whole

KEYS = ("f", "g")
"""Fingerprints that all fight for."""
THREADS = 3
ASKED = {"title": "a race", "key": "", "user": "", "grace": 5.0, "kill_after": 5.0}


def begin(workspace: Workspace, rng: random.Random) -> None:
    alone = rng.random() < 0.5
    key = {"fingerprint": rng.choice(KEYS), "alone": alone}
    draft = workspace.draft("layout", name="a race", config={}, parents={}, **key)
    end(draft, rng)


def resume(workspace: Workspace, rng: random.Random) -> None:
    if draft := workspace.unfinished("layout", rng.choice(KEYS)):
        end(draft, rng)


def end(draft, rng: random.Random) -> None:
    (draft.path / "a").write_text("a")
    time.sleep(rng.random() * 0.02)
    how = rng.random()
    if how < 0.4:
        draft.seal(whole("layout", rows=3))
    elif how < 0.6:
        draft.discard()
    else:
        draft.lock.close()  # as killed


def finished(workspace: Workspace, rng: random.Random) -> None:
    workspace.finished("layout", rng.choice(KEYS))


def delete(workspace: Workspace, rng: random.Random) -> None:
    if listed := workspace.entries("layout"):
        workspace.delete(rng.choice(listed).id)


def look(workspace: Workspace, rng: random.Random) -> None:
    for entry in workspace.recent("layout"):
        if entry.state == "damaged":
            raise AssertionError(entry.problem)


def check(workspace: Workspace, rng: random.Random) -> None:
    if wrong := whole_workspace.check(workspace).damaged:
        raise AssertionError(wrong[:3])


def submit(workspace: Workspace, rng: random.Random) -> None:
    argv = [sys.executable, "-c", f"import time; time.sleep({rng.randrange(3) / 10})"]
    if len(jobs.active(workspace)) < 4:
        _spawn(workspace, argv, **ASKED, device=rng.choice(["cpu", "none", "a", "a,b"]))


def listed(workspace: Workspace, rng: random.Random) -> None:
    jobs.jobs(workspace)


def one(workspace: Workspace, rng: random.Random):
    return rng.choice(jobs.jobs(workspace) or [None])


def stop(workspace: Workspace, rng: random.Random) -> None:
    if job := one(workspace, rng):
        jobs.stop(workspace, job.id, discard=rng.random() < 0.3)


def forget(workspace: Workspace, rng: random.Random) -> None:
    if job := one(workspace, rng):
        jobs.forget(workspace, job.id)


def move(workspace: Workspace, rng: random.Random) -> None:
    if job := one(workspace, rng):
        reorder.move(workspace, job.id, rng.choice([-1, 1]))


def read(workspace: Workspace, rng: random.Random) -> None:
    if job := one(workspace, rng):
        jobs.log_tail(workspace, job.id)
        jobs.progress_of(workspace, job.id)
        jobs.status(workspace, job.id)


STEPS = (begin, resume, finished, delete, look, check, submit, listed, stop, forget, move, read)
REFUSALS = (
    *("is being worked on", "is an equal run, at work", "is equal and was made before"),
    *("ended just now", "no artifact ", "no job ", "stop it first", "does not wait any more"),
)


def work(root: str, seed: int, until: float, counts: collections.Counter, wrong: list) -> None:
    workspace, rng = Workspace(root), random.Random(seed)
    while time.time() < until:
        step = rng.choice(STEPS)
        try:
            step(workspace, rng)
            counts[step.__name__] += 1
        except InputError as e:
            counts[step.__name__ + " refused"] += 1
            if not any(words in str(e) for words in REFUSALS):
                wrong.append(f"{step.__name__}: {e}")
        except Exception:
            wrong.append(f"{step.__name__}: {traceback.format_exc()[-1500:]}")


def process(root: str, seed: int, seconds: float) -> None:
    until = time.time() + seconds
    counts: collections.Counter = collections.Counter()
    wrong: list = []
    threads = [
        threading.Thread(target=work, args=(root, seed + i, until, counts, wrong))
        for i in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps([counts, wrong]))


def left(workspace: Workspace) -> list[str]:
    """Return what is wrong when nobody is at work any more."""
    for job in jobs.active(workspace):
        jobs.wait(workspace, job.id, 60.0)
    found = whole_workspace.check(workspace)
    hidden = [p.name for kind in ("layout", "jobs") for p in (workspace.root / kind).glob(".*")]
    empty = [e.id for e in found.drafts if not (workspace.find(e.id) / "a").exists()]
    return [*found.damaged, *found.orphans, *empty, *(n for n in hidden if n != ".submit.lock")]


def campaign(
    seconds: float, seed: int = 0, processes: int = 4, *, folder: pathlib.Path
) -> dict[str, object]:
    """Let so many processes at one workspace for so long; return what was seen."""
    root = folder / "w"
    root.mkdir(exist_ok=True)
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.campaigns.races", "one", f"{root}", f"{i}", f"{seconds}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for i in range(1000 * seed, 1000 * seed + 10 * processes, 10)
    ]
    counts: collections.Counter = collections.Counter()
    wrong: collections.Counter = collections.Counter()
    for one_process in running:
        done, found = json.loads(one_process.communicate()[0])
        counts.update(done)
        wrong.update(re.sub(r"\d{8}-\d{9}-\w{4}", "ID", text) for text in found)
    wrong.update(left(Workspace(root)))
    return {"done": sum(counts.values()), **counts, "wrong": wrong.most_common()}


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        process(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
    else:
        sys.exit(main(campaign, 20))
