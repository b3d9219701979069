"""Kill every stage at random moments, the first and last 100 ms among them; then run it again.

`python -m tests.campaigns.kills 80 [SEED] [MINUTES] [FOLDER]`; each kill is in a copy of one small workspace,
in a fork of this process, which has loaded the libraries: so it hits the work and not the start of
Python. Every third is a job (`tests.campaigns.job_kills`): its worker, its supervisor or both are hit.
In a FOLDER that stays a later call goes on with the workspace of an earlier one, and adds its kills to
`kills.jsonl` there. The last line is JSON: kills by stage and moment, how many hit, and everything that was
wrong, of all calls.
"""

import collections
import hashlib
import importlib
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import time

from core import jobs
from core.jobs.record import RESUMED
from core.review import whole_workspace
from core.training import time_estimate
from core.workspace.artifact import PARTIAL
from core.workspace.files import append_jsonl, read_jsonl
from core.workspace.store import Workspace
from tests.campaigns.command import main
from tests.campaigns.disk_full import base

PATIENCE = 240.0
LOG = "kills.jsonl"
MOMENTS = ("first", "middle", "last", "sealing")
TWICE = 2
"""Runs that nobody kills: what differs between them (seconds, ids) is not compared."""
TIMED = ("start.json",)
"""Files that say how many seconds something took, which may be the same twice by chance."""
LIBRARIES = ("torch", "transformers", "pandas", "sklearn.cluster", "core.finetune.run")


def commands(made: dict) -> dict[str, list[str]]:
    """Return the command of every stage, as `base` has made what they need."""
    flags = {noun: flags for noun, flags in made.items() if noun != "job"}
    trajectories, groups = (made[n][1] for n in ("clusters", "selection"))
    chosen = made["finetune"][1]
    target = ["--model", "scratch:tiny", "--steps", "4", "--decode", "4"]
    flags["finetune"] = ["--selection", chosen, *target]
    flags["layout"] = ["--trajectories", trajectories, "--method", "pca"]
    arms = ["--strategies", "s2l,random", "--seeds", "0", "--budget", "20"]
    flags["study"] = ["--clusters", groups, *arms, *target]
    flags["export"] = ["--selection", chosen, "--config", "trl", "--format", "messages"]
    return {noun: [noun, *rest] for noun, rest in flags.items()}


def argv_in(root: pathlib.Path, command: list[str], *, again: bool) -> list[str]:
    more = ["--out", str(root / "exports" / "out")] if command[0] == "export" else []
    if again and command[0] in RESUMED:
        more.append("--resume=yes")
    return [*command, *more, "--workspace", str(root)]


def fork(argv: list[str], log: pathlib.Path, first=lambda: None) -> int:
    """Run a command line in a process of its own, and of its own group; return its id.

    Args:
        first: What that process does before the command.
    """
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        to = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(to, 1)
        os.dup2(to, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        time_estimate.measure = quick
        sys.argv = ["core", *argv]
        first()
        code = importlib.import_module("core.__main__").main()
        sys.stdout.flush()
    finally:
        os._exit(code)


def quick(*args, **kwargs) -> time_estimate.Rates:
    """Stand in for the timing run before a training."""
    return time_estimate.Rates((1e-6, 1e-6), (1e-6, 1e-6))


def ended(child: int, seconds: float = PATIENCE) -> int | None:
    """Wait for a process; return its exit code, None where it had to be killed for taking long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def contents(root: pathlib.Path, before: set[str]) -> dict[str, list[str]]:
    """Return kind/file -> the sorted hashes of it in all new artifacts, and in the export."""
    found = collections.defaultdict(list)
    workspace = Workspace(root)
    for e in workspace.entries():
        if e.state == "sealed" and e.id not in before:
            files = workspace.open(e.id).manifest["files"]
            for name, facts in ((n, f) for n, f in files.items() if n not in TIMED):
                found[f"{e.kind}/{name}"].append(facts["sha256"])
    for file in sorted((root / "exports").rglob("*")):
        if file.is_file():
            name = file.relative_to(root).as_posix()
            found[name].append(hashlib.sha256(file.read_bytes()).hexdigest())
    return {name: sorted(set(hashes)) for name, hashes in found.items()}


def broken(workspace: Workspace) -> list[str]:
    """Return what is sealed and not whole, and what is shown as at work."""
    checkup = whole_workspace.check(workspace)
    shown = [f"shown as {j.state}: {j.id}" for j in jobs.active(workspace)]
    return [*checkup.damaged, *checkup.orphans, *shown]


def sealing(root: pathlib.Path, noun: str, before: set[str]) -> bool:
    """Say whether a manifest stands in a new folder, or the export is about to be renamed."""
    if noun == "export":
        return any((root / "exports").glob("*"))
    new = (p for p in (root / noun).glob("*") if p.name.removesuffix(PARTIAL) not in before)
    return any((p / "manifest.json").exists() for p in new)


def wait_for(moment, rng, took: float, reached, child: int) -> None:
    """Return at the moment that is asked for, or when the process has ended."""
    began = time.monotonic()
    waits = {
        "first": rng.random() * 0.1,
        "middle": rng.random() * took,
        "last": took - rng.random() * 0.1,
    }
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if moment == "sealing":
            if reached():
                time.sleep(rng.random() * 0.006)
                return
            time.sleep(0.0005)
        elif time.monotonic() - began >= waits[moment]:
            return
        else:
            time.sleep(min(0.01, max(0.0, waits[moment] - (time.monotonic() - began))))


class Trial:
    """A stage to be killed: its command, what it gives when nobody does, how long it takes."""

    def __init__(self, folder: pathlib.Path, made: Workspace, command: list[str]) -> None:
        self.folder, self.made, self.command = folder, made, command
        self.noun = command[0]
        self.before = {e.id for e in made.entries()}
        seen, self.took = [], 0.0
        known = folder / f"{self.noun}.json"
        if known.exists():
            self.expected, self.files, self.took = json.loads(known.read_text())
            return
        for _ in range(TWICE):
            root, began = self.fresh(), time.monotonic()
            argv = argv_in(root, command, again=False)
            code = ended(fork(argv, folder / "log"))
            assert code == 0, (argv, code, (folder / "log").read_text()[-2000:])
            self.took = time.monotonic() - began
            seen.append(contents(root, self.before))
        self.expected = {k: v for k, v in seen[0].items() if seen[1].get(k) == v}
        self.files = len(seen[0])
        known.write_text(json.dumps([self.expected, self.files, self.took]))

    def fresh(self) -> pathlib.Path:
        shutil.rmtree(self.folder / "w", ignore_errors=True)
        root = shutil.copytree(self.made.root, self.folder / "w")
        (root / "exports").mkdir(exist_ok=True)
        return root

    def again(self, root: pathlib.Path) -> list[str]:
        """Run the command again after a kill; return what is wrong with what it gives."""
        wrong = broken(Workspace(root))
        code = ended(fork(argv_in(root, self.command, again=True), self.folder / "log"))
        there = self.noun == "export" and (root / "exports" / "out").exists()
        said = (self.folder / "log").read_text(errors="replace")
        if code != 0 and not (there and code == 2 and "Traceback" not in said):
            return [*wrong, f"again: {code}: {said[-300:]}"]
        workspace = Workspace(root)
        wrong += broken(workspace)
        now = contents(root, self.before)
        wrong += [f"{k} differs" for k, v in self.expected.items() if now.get(k) != v]
        for e in workspace.entries():
            if e.state == "unfinished":
                workspace.delete(e.id)
        return wrong

    def forked(self, rng: random.Random, moment: str) -> tuple[bool, list[str]]:
        """Kill a fork; return whether it hit, and what was wrong."""
        root = self.fresh()
        child = fork(argv_in(root, self.command, again=False), self.folder / "log")
        wait_for(moment, rng, self.took, lambda: sealing(root, self.noun, self.before), child)
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            os.kill(child, signal.SIGKILL)
        hit = ended(child) == -signal.SIGKILL
        if moment == "last":  # follow what else the machine does: a little later, or clearly sooner
            self.took *= 1.03 if hit else 0.93
        return hit, self.again(root)


def campaign(kills: int, seed: int = 0, minutes: float = 15.0, *, folder: pathlib.Path) -> dict:
    """Kill so often, or so long; return what was seen."""
    from tests.campaigns import job_kills

    rng, end = random.Random(seed), time.monotonic() + 60 * minutes
    for name in LIBRARIES:
        importlib.import_module(name)
    made, needs = prepared(folder)
    trials: dict[str, Trial] = {}
    names = list(needs)
    rng.shuffle(names)
    for number in range(kills):
        if time.monotonic() > end:
            break
        noun = names[number % len(names)]
        if noun not in trials:
            trials[noun] = Trial(folder, made, needs[noun])
        moment = rng.choice(MOMENTS)
        if number % 3 == 2:
            victim, hit, wrong = job_kills.kill(trials[noun], rng, moment)
        else:
            victim = "command"
            hit, wrong = trials[noun].forked(rng, moment)
        line = {"stage": noun, "victim": victim, "moment": moment, "hit": hit, "wrong": wrong}
        append_jsonl(folder / LOG, {**line, "seed": seed, "number": number})
        sys.stderr.write(f"{number} {noun} {victim} {moment} {hit} {wrong}\n")
    return summed(list(read_jsonl(folder / LOG))) | {
        "compared": {n: f"{len(t.expected)} of {t.files} files" for n, t in trials.items()}
    }


def summed(kills: list[dict]) -> dict:
    """Count what there was."""
    hits = [kill for kill in kills if kill["hit"]]
    count = lambda key: dict(collections.Counter(kill[key] for kill in hits))  # noqa: E731
    wrong = [[k["stage"], k["victim"], k["moment"], text] for k in kills for text in k["wrong"]]
    counts = {key + "s": count(key) for key in ("stage", "victim", "moment")}
    return {"kills": len(kills), "hit": len(hits), **counts, "wrong": wrong}


def prepared(folder: pathlib.Path) -> tuple[Workspace, dict[str, list[str]]]:
    """Make the workspace in a process of its own: a fork of one that has computed may hang."""
    if (folder / "made.json").exists():
        return Workspace(folder / "base"), commands(json.loads((folder / "made.json").read_text()))
    child = os.fork()
    if not child:
        code = 1
        try:
            (folder / "made.json").write_text(json.dumps(base(folder)[1]))
            code = 0
        finally:
            os._exit(code)
    assert ended(child, 600) == 0, "the workspace could not be made"
    return Workspace(folder / "base"), commands(json.loads((folder / "made.json").read_text()))


if __name__ == "__main__":
    sys.exit(main(campaign, 40))
