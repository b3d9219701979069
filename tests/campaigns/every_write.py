"""The disk is full from the n-th write on, for every n: a sentence, nothing wrong sealed, and it can go on.

`python -m tests.campaigns.every_write 500 [SEED] [MINUTES] [FOLDER [STAGE ...]]`: import, proxy, clusters, layout, selection,
fine-tune, study, export and a job, each in a fork whose every write below the workspace is counted
(`tests.campaigns.failing_disk`). Every kind of write fails before any does a second time. Every third time only that one
write fails, as where somebody frees space. Then the command is run again. In a FOLDER that stays, a later call goes on
where an earlier one ended. The last line is JSON: per stage the writes there are, of how many kinds, how many of each
have failed, how it ended, and what was wrong.
"""

import collections
import importlib
import os
import pathlib
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from unittest import mock

from core import jobs
from core.jobs.record import ENDED
from core.workspace.files import append_jsonl, read_json, read_jsonl, write_json
from core.workspace.store import Workspace
from tests.campaigns import job_kills
from tests.campaigns.command import main
from tests.campaigns.failing_disk import Disk, kinds, possible, watched
from tests.campaigns.kills import (
    LIBRARIES,
    PATIENCE,
    Trial,
    argv_in,
    broken,
    contents,
    ended,
    fork,
    prepared,
)

JOB = "job"
LOG = "every_write.jsonl"
ONCE = 3
"""Every so many tries only one write fails."""
QUICK, SELDOM = 3.0, 4
"""What takes more seconds is run again every fourth time."""


def submit(trial: Trial, root: pathlib.Path, first) -> int:
    """Submit the command as a job from a fork and wait for it; return the fork's id."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        first()
        with mock.patch.object(subprocess, "Popen", job_kills.start):
            workspace = Workspace(root)
            argv = argv_in(root, trial.command, again=False)[:-2]
            id = jobs.submit(workspace, argv, title="job", device="none", grace=5.0)
            code = 0 if jobs.wait(workspace, id, PATIENCE).state == "done" else 2
            for started in job_kills.STARTED:
                started.wait()
    except OSError as e:
        (trial.folder / "log").write_text(f"error: refused, the disk is full: {e.strerror}\n")
        code = 2
    finally:
        os._exit(code)


def attempt(trial: Trial, stage: str, n: int, *, once: bool) -> tuple[Disk, int | None]:
    """Run it on a disk that is full from its n-th write on, 0 for never."""
    root = trial.fresh()
    disk = Disk(root, n, once=once)

    def first() -> None:
        disk.ours.close()
        watched(disk.theirs)
        disk.theirs.close()

    (trial.folder / "log").write_text("")
    run = (lambda: submit(trial, root, first)) if stage == JOB else None
    child = (
        run()
        if run
        else fork(argv_in(root, trial.command, again=False), trial.folder / "log", first)
    )
    gone = lambda: os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None  # noqa: E731
    disk.serve(gone, PATIENCE)
    return disk, ended(child)


def judge(trial: Trial, stage: str, code: int | None) -> list[str]:
    """Return what is wrong after a write has failed, before anything is run again."""
    root = trial.folder / "w"
    workspace = Workspace(root)
    said = (trial.folder / "log").read_text(errors="replace")
    wrong = broken(workspace)
    if "Traceback" in said or code not in (0, 2):
        wrong.append(f"exit {code}: {said[-700:]}")
    if stage == JOB:
        for job in jobs.jobs(workspace):
            if job.state not in ENDED:
                wrong.append(f"the job is {job.state}")
            elif job.state != "done" and "disk is full" not in job.message:
                wrong.append(f"the job is {job.state}: {job.message[:200]}")
            if "Traceback" in (log := jobs.log_tail(workspace, job.id)):
                wrong.append(f"traceback in the log of the job: {log[-500:]}")
    elif code == 2:
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        if len(errors) != 1 or (
            "disk is full" not in errors[0] and " MiB are free " not in errors[0]
        ):
            wrong.append(f"said {errors[:3] or said[-200:]}")
    if code == 0 and stage != JOB:
        now = contents(root, trial.before)
        wrong += [f"{k} differs" for k, v in trial.expected.items() if now.get(k) != v]
    return wrong


def order(calls: list[str], rng: random.Random) -> list[int]:
    """Return the numbers of all calls; every kind's first and last come before the others."""
    first, last, rest = [], [], []
    for numbers in kinds(calls).values():
        first.append(numbers[0])
        last += numbers[-1:] if len(numbers) > 1 else []
        rest += numbers[1:-1]
    for part in (first, last, rest):
        rng.shuffle(part)
    return [*first, *last, *rest]


def campaign(
    tries: int,
    seed: int = 0,
    minutes: float = 15.0,
    *,
    folder: pathlib.Path,
    stages: Sequence[str] = (),
) -> dict:
    """Try so often in all, or so long, all stages or some; return what was seen."""
    if not possible():
        return {"skipped": "the kernel hands no system calls over here", "wrong": []}
    rng, end = random.Random(seed), time.monotonic() + 60 * minutes
    for name in LIBRARIES:
        importlib.import_module(name)
    made, needs = prepared(folder)
    needs[JOB] = needs["selection"]
    needs = {stage: needs[stage] for stage in stages or needs}
    trials, waiting = {}, {}
    done = collections.defaultdict(set)
    for line in read_jsonl(folder / LOG):
        done[line["stage"]].add(line["n"])
    for number in range(tries):
        if time.monotonic() > end or (waiting and not any(waiting.values())):
            break
        stage = list(needs)[number % len(needs)]
        if stage not in trials:
            trials[stage] = Trial(folder, made, needs[stage])
            known = folder / f"{stage}.calls"
            if not known.exists():
                disk, code = attempt(trials[stage], stage, 0, once=False)
                assert code == 0, (stage, code, (folder / "log").read_text()[-2000:])
                write_json(known, {"calls": disk.calls})
            calls = read_json(known)["calls"]
            waiting[stage] = [n for n in order(calls, rng) if n not in done[stage]]
        if not waiting[stage]:
            continue
        n, trial = waiting[stage].pop(0), trials[stage]
        once = len(waiting[stage]) % ONCE == 0
        disk, code = attempt(trial, stage, n, once=once)
        wrong = judge(trial, stage, code)
        again = trial.took < QUICK or len(waiting[stage]) % SELDOM == 0 or bool(wrong)
        if again:
            wrong += [f"run again: {text}" for text in trial.again(folder / "w")]
        call = disk.calls[n - 1] if len(disk.calls) >= n else ""
        line = {
            "stage": stage,
            "n": n,
            "once": once,
            "call": call,
            "failed": disk.failed,
            "again": again,
        }
        append_jsonl(folder / LOG, {**line, "code": code, "wrong": wrong})
        sys.stderr.write(f"{number} {stage} {n} {once} {call} {code} {wrong}\n")
    return summed(folder)


def summed(folder: pathlib.Path) -> dict:
    """Count what there was, of all calls."""
    stages, wrong = {}, []
    tried = collections.defaultdict(list)
    for line in read_jsonl(folder / LOG):
        tried[line["stage"]].append(line)
        wrong += [[line["stage"], line["n"], line["call"], text] for text in line["wrong"]]
    for stage, lines in tried.items():
        calls = read_json(folder / f"{stage}.calls")["calls"]
        hit = {line["n"] for line in lines if line["failed"]}
        by_kind = kinds(calls)
        stages[stage] = {
            "writes": len(calls),
            "failed": len(hit),
            "kinds": len(by_kind),
            "kinds that failed": sum(bool(hit & set(numbers)) for numbers in by_kind.values()),
            "run again": sum(line["again"] for line in lines),
            "refused": sum(line["code"] == 2 for line in lines),
            "done all the same": sum(line["code"] == 0 for line in lines),
        }
    return {"tried": sum(map(len, tried.values())), "stages": stages, "wrong": wrong}


if __name__ == "__main__":
    sys.exit(main(campaign, 100))
