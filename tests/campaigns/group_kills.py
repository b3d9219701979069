"""Kill a run of two processes (torchrun) as a job: a rank, the launcher, its command, the supervisor.

`python -m tests.campaigns.group_kills 40 [SEED] [MINUTES] [FOLDER] [STAGE...]`: a fine-tune, a recording or a study is
killed at a random moment, then resumed. The last line is JSON: kills by what was hit and by stage, exact (what
was made equals that of a run that nobody killed), told (studies that name the fine-tune that died and go on),
and what was wrong: shown as at work though nothing is, processes left, a queue that does not go on, other
content.
"""

import contextlib
import pathlib
import random
import sys
import time

import psutil

from core import clusters, jobs, trajectories
from core.jobs.files import load_worker
from core.jobs.queue import _spawn
from core.jobs.record import alive, folder_of
from core.study.artifact import all_lines
from core.workspace.files import read_jsonl
from core.workspace.store import Workspace
from tests.campaigns.command import main
from tests.campaigns.finetune_kills import prepare, until
from tests.conftest import TRAIN, TUNE

VICTIMS = ("rank 0", "rank 1", "launcher", "command", "supervisor", "command and supervisor")
STAGES = ["finetune", "finetune", "trajectories", "trajectories", "study"]
"""As often as each is taken."""
GROUP = ("--launcher", "torchrun", "--processes", "2", "--resume", "yes")
NEXT = {"title": "the next", "device": "cpu", "key": "", "user": "", "grace": 5, "kill_after": 5}


def flags(values: dict) -> list[str]:
    return [part for k, v in values.items() for part in (f"--{k.replace('_', '-')}", f"{v}")]


def commands(workspace: Workspace, chosen: str) -> dict[str, list[str]]:
    """Return the command of each stage, after making what they need."""
    data = next(e.id for e in workspace.entries("dataset"))
    paths = trajectories.run(workspace, trajectories.Settings(dataset=data, **TRAIN))
    groups = clusters.run(workspace, clusters.Settings(trajectories=paths, k=6, map=False))
    tune, arms = {**TUNE, "steps": 20}, {"strategies": "random,full", "seeds": "0"}
    fast = {k: v for k, v in tune.items() if k != "max_length"}
    return {
        "finetune": ["finetune", "--selection", chosen, *flags(tune), *GROUP],
        "trajectories": ["trajectories", "--dataset", data, *flags(TRAIN | {"map": "no"}), *GROUP],
        "study": ["study", "--clusters", groups, *flags(arms | fast), *GROUP],
    }


def members(worker: int) -> dict[str, psutil.Process]:
    """Return the processes of a run by what they are."""
    found = {}
    with contextlib.suppress(psutil.Error):
        found["command"] = psutil.Process(worker)
        for process in found["command"].children(recursive=True):
            with contextlib.suppress(psutil.Error):
                rank = process.environ().get("RANK")
                launches = "torch.distributed.run" in process.cmdline()
                if rank or launches:
                    found[f"rank {rank}" if rank else "launcher"] = process
    return found


def kill(victim: str, facts: dict) -> tuple[str, list[psutil.Process]]:
    """Kill what is there of a victim; return which it was, and all processes of the run."""
    until(lambda: {"rank 0", "rank 1"} <= members(facts["pgid"]).keys(), 15)
    there = members(facts["pgid"])
    for name in victim.split(" and "):
        with contextlib.suppress(psutil.Error, KeyError):
            (psutil.Process(facts["supervisor"]) if name == "supervisor" else there[name]).kill()
    return victim, list(there.values())


def made(workspace: Workspace, before: set[str]) -> list:
    """Return what was made since, without ids and times: losses, and hashes of arrays."""
    out = []
    for entry in workspace.entries("finetune", "trajectories"):
        if entry.id not in before and entry.state == "sealed":
            one = workspace.open(entry.id)
            files = {n: f["sha256"] for n, f in one.manifest["files"].items() if n == "losses.npy"}
            steps = [r.get("loss") for r in read_jsonl(one.path / "metrics.jsonl")]
            out.append((entry.kind, files, steps))
    return sorted(out, key=repr)


def told(workspace: Workspace, result: str) -> bool:
    """Say whether a study names what failed in it: it goes on with the others, as documented."""
    made = workspace.open(result)
    return made.kind == "study" and bool((all_lines(made)["failed"] != "").any())


def forget(workspace: Workspace, before: set[str]) -> None:
    """Delete all that was made since, so that the next begins anew."""
    for kind in ("study", "finetune", "selection", "trajectories"):
        for entry in workspace.entries(kind):
            if entry.id not in before:
                workspace.delete(entry.id)


def state(workspace: Workspace, id: str) -> str:
    return jobs.status(workspace, id).state


def hit(workspace: Workspace, argv: list[str], victim: str, moment: float, wrong: list) -> str:
    """Run, kill at a moment, resume; return the id of the job that ended it."""
    id = jobs.submit(workspace, argv, title="a run of two", grace=20.0)
    after = _spawn(workspace, [sys.executable, "-c", "pass"], **NEXT)
    folder = folder_of(workspace, id)
    until(lambda: load_worker(folder))
    facts = load_worker(folder)
    time.sleep(moment)
    _, processes = kill(victim, facts)
    if victim == "supervisor":  # its worker goes on by itself, and can be stopped
        jobs.stop(workspace, id)
    if not until(lambda: state(workspace, id) not in jobs.ACTIVE, 120):
        wrong.append(f"{victim}: shown as {state(workspace, id)}, alive: {alive(folder)}")
    _, left = psutil.wait_procs(processes, 10)
    if left := [p for p in left if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]:
        wrong.append(f"{victim}: left {[' '.join(p.cmdline())[-150:] for p in left]}")
        for process in left:
            process.kill()
    if not until(lambda: state(workspace, after) not in jobs.ACTIVE, 60):
        wrong.append(f"{victim}: the next is {state(workspace, after)}")
    if state(workspace, id) != "done":
        sys.stderr.write(f"  {jobs.status(workspace, id).message[:160]}\n")
        id = jobs.resume(workspace, id)
        until(lambda: state(workspace, id) not in jobs.ACTIVE, 300)
    return id


def campaign(
    n: int,
    seed: int = 0,
    minutes: float = 60.0,
    *,
    folder: pathlib.Path,
    stages: list[str] = STAGES,
) -> dict[str, object]:
    """Kill so often, or so long, runs of these stages; return the counts."""
    rng, end = random.Random(seed), time.monotonic() + 60 * minutes
    workspace, chosen = prepare(folder)
    asked = commands(workspace, chosen)
    before = {e.id for e in workspace.entries()}
    whole, takes = {}, {}
    for stage, argv in asked.items():
        if stage not in stages:
            continue
        began = time.monotonic()
        id = jobs.submit(workspace, argv, title=stage)
        done = jobs.wait(workspace, id, 600)
        assert done.state == "done", done
        whole[stage], takes[stage] = made(workspace, before), time.monotonic() - began
        forget(workspace, before)
    sys.stderr.write(f"takes {takes}\n")
    victims, made_of, exact, failed = dict.fromkeys(VICTIMS, 0), dict.fromkeys(asked, 0), 0, 0
    wrong: list[str] = []
    for number in range(n):
        if time.monotonic() > end:
            break
        victim = VICTIMS[number % len(VICTIMS)]
        stage = rng.choice(stages)
        found: list[str] = []
        id = hit(workspace, asked[stage], victim, rng.random() * 0.8 * takes[stage], found)
        last = jobs.status(workspace, id)
        if last.state != "done":
            found.append(f"{victim}: {last.state} after the resume: {last.message[:300]}")
        elif made(workspace, before) == whole[stage]:
            exact += 1
        elif told(workspace, last.result):
            failed += 1
        else:
            found.append(f"{victim}: other content")
        victims[victim] += 1
        made_of[stage] += 1
        wrong += [f"{stage}, {text}" for text in found]
        sys.stderr.write(f"{number} {stage} {victim} {found}\n")
        forget(workspace, before)
    return {"kills": victims, "stages": made_of, "exact": exact, "told": failed, "wrong": wrong}


if __name__ == "__main__":
    sys.exit(main(campaign, 40))
