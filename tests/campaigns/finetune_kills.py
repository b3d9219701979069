"""Kill worker, supervisor or server at random while fine-tunes are queued; resume; nothing may be lost.

`python -m tests.campaigns.finetune_kills 40 [SEED]`; the last line is JSON: kills (by what was hit), runs,
exact (whose losses are those of a run that nobody killed), and what must be 0: shown (as running or waiting
though nothing lives), orphans (processes left of a job that has ended), stuck (queues that did not go on).
"""

import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import psutil

from core import dataset, finetune, jobs, selection
from core.jobs.files import load_worker
from core.jobs.record import alive, folder_of
from core.workspace.files import ROOT, read_jsonl
from core.workspace.store import Workspace
from tests.conftest import TUNE, rows, write

VICTIMS = ("worker", "supervisor", "server")
PATIENCE = 180.0
SERVER = """
import sys, time
from core import jobs
from core.workspace.store import Workspace
workspace = Workspace(sys.argv[1])
for argv in sys.argv[2:]:
    print(jobs.submit(workspace, argv.split(" "), title="fine-tune", grace=5.0), flush=True)
while True:
    jobs.active(workspace)
    time.sleep(0.05)
"""
"""Submits and looks, as the dashboard's server does, and lives until it is killed."""


def prepare(folder: pathlib.Path) -> tuple[Workspace, str]:
    """Make a workspace with a selection."""
    workspace = Workspace(folder / "workspace")
    file = write(folder / "rows.jsonl", rows())
    data = dataset.run(workspace, dataset.Settings(path=str(file), split_column="part"))
    settings = selection.Settings(parent=data, budget="25%", strategy="random")
    return workspace, selection.run(workspace, settings)


def argv_of(chosen: str, seed: int, steps: int) -> list[str]:
    """Return the command of one fine-tune."""
    values = TUNE | {"selection": chosen, "seed": seed, "steps": steps}
    flags = [part for k, v in values.items() for part in (f"--{k.replace('_', '-')}", f"{v}")]
    return ["finetune", *flags, "--resume", "yes"]


def losses(workspace: Workspace, id: str) -> list[float]:
    return [r.get("loss", 0.0) for r in read_jsonl(workspace.find(id) / "metrics.jsonl")]


def until(condition, seconds: float = PATIENCE) -> bool:
    """Wait for a condition; return whether it came."""
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return bool(met)


def lived(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def kill(victim: str, server: subprocess.Popen, facts: dict) -> None:
    """End one process without a chance to tidy up."""
    if victim == "server":
        server.kill()
        server.wait()
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(facts["pgid" if victim == "worker" else "supervisor"], signal.SIGKILL)


def serve(workspace: Workspace, commands: list[list[str]]) -> tuple[subprocess.Popen, list[str]]:
    """Start a server that submits these; return it with the ids of the jobs."""
    texts = [" ".join(argv) for argv in commands]
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(workspace.root), *texts],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    return server, [server.stdout.readline().strip() for _ in texts]


def hit(workspace: Workspace, chosen: str, rng: random.Random, n: int, steps: int) -> dict:
    """Queue two fine-tunes, kill something at a random moment of the first; return what was seen."""
    commands = [argv_of(chosen, 100 + 2 * n + i, steps) for i in range(2)]
    server, (first, second) = serve(workspace, commands)
    victim, moment = rng.choice(VICTIMS), rng.random() * 4
    found = {"victim": victim, "shown": 0, "orphans": 0, "stuck": 0}
    folder = folder_of(workspace, first)
    try:
        until(lambda: load_worker(folder))
        time.sleep(moment)
        facts = load_worker(folder)
        kill(victim, server, facts)
        if victim == "supervisor":  # its worker goes on by itself, and can be stopped
            jobs.stop(workspace, first)
        state = lambda id: jobs.status(workspace, id).state  # noqa: E731
        until(lambda: state(first) not in jobs.ACTIVE)
        found["shown"] += state(first) in jobs.ACTIVE and not alive(folder)
        gone = until(
            lambda: not any(lived(pid) for pid in (facts["pgid"], facts["supervisor"])), 15
        )
        found["orphans"] += not gone
        found["stuck"] += not until(lambda: state(second) == "done")
        if state(first) != "done":
            first = jobs.resume(workspace, first)
            until(lambda: state(first) not in jobs.ACTIVE)
        found["runs"] = [
            (argv, jobs.status(workspace, id).result)
            for argv, id in zip(commands, (first, second), strict=True)
        ]
        return found
    finally:
        server.kill()
        server.wait()


def campaign(kills: int, folder: pathlib.Path, seed: int = 0, steps: int = 20) -> dict:
    """Kill so often; return the counts."""
    rng = random.Random(seed)
    workspace, chosen = prepare(folder)
    counts = {"kills": dict.fromkeys(VICTIMS, 0), "shown": 0, "orphans": 0, "stuck": 0}
    counts |= {"runs": 0, "exact": 0}
    for n in range(kills):
        found = hit(workspace, chosen, rng, n, steps)
        counts["kills"][found["victim"]] += 1
        for name in ("shown", "orphans", "stuck"):
            counts[name] += found[name]
        for i, (_, id) in enumerate(found["runs"]):
            counts["runs"] += 1
            whole = finetune.Settings(
                selection=chosen, **TUNE | {"seed": 100 + 2 * n + i, "steps": steps}
            )
            if id and i == 0:  # the one that was hit, beside one that nobody touched
                again = finetune.run(workspace, whole)
                counts["exact"] += losses(workspace, id) == losses(workspace, again)
            else:
                counts["exact"] += bool(id)
        sys.stderr.write(f"{json.dumps({**found, 'runs': len(found['runs'])})}\n")
    return counts


def main() -> int:
    asked = [int(text) for text in sys.argv[1:]] or [40]
    with tempfile.TemporaryDirectory() as folder:
        found = campaign(asked[0], pathlib.Path(folder), *asked[1:])
    sys.stdout.write(json.dumps(found) + "\n")
    bad = found["shown"] + found["orphans"] + found["stuck"]
    return int(bad > 0 or found["exact"] != found["runs"])


if __name__ == "__main__":
    sys.exit(main())
