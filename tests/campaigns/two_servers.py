"""Two servers on one workspace: the same job from both at once, one server killed, nothing lost.

`python -m tests.campaigns.two_servers 10 [SEED] [BROWSER]`: each server is a process that submits,
lists and stops through `core.jobs`, as the dashboard does; with BROWSER=1 two real Streamlit servers show the
jobs of one more round. The last line is JSON: rounds, kills, jobs, and what was wrong.
"""

import json
import pathlib
import random
import subprocess
import sys
import time

from core import dataset, jobs
from core.review import whole_workspace
from core.workspace.files import ROOT
from core.workspace.store import Workspace
from tests.campaigns.command import main

PATIENCE = 180.0
SERVER = """
import json, sys, time
from core import jobs
from core.workspace.store import Workspace
workspace = Workspace(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    at, what, argument = json.loads(line)
    while time.monotonic() < at:
        time.sleep(0.0005)
    if what == "submit":
        argv, device = argument
        answer = jobs.submit(workspace, argv, title="job", device=device, grace=5.0)
    elif what == "stop":
        answer = jobs.stop(workspace, argument)
    else:
        answer = [[j.id, j.state] for j in jobs.jobs(workspace)]
    print(json.dumps(answer), flush=True)
"""


class Server:
    """A process that has the workspace open, as a server of the dashboard has."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(root)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answer()

    def ask(self, what: str, argument=None, at: float = 0.0) -> None:
        self.process.stdin.write(json.dumps([at, what, argument]) + "\n")
        self.process.stdin.flush()

    def answer(self):
        """Return what it says; empty where it was killed before it could."""
        line = self.process.stdout.readline().strip()
        return line if line in ("", "ready") else json.loads(line)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def command(data: str, seed: int) -> list[str]:
    return ["selection", "--parent", data, "--strategy", "random", "--budget=9", f"--seed={seed}"]


def wait_all(workspace: Workspace, ids: list[str]) -> list[str]:
    """Wait until these have ended; return those that are not done, with what is said of them."""
    wrong = []
    for id in ids:
        try:
            job = jobs.wait(workspace, id, PATIENCE)
        except TimeoutError as e:
            wrong.append(str(e))
            continue
        if job.state != "done":
            wrong.append(f"{job.state}: {job.message[:200]}")
    return wrong


def one_round(workspace: Workspace, data: str, rng: random.Random, n: int, counts: dict) -> list:
    """Launch from both at once, kill one, go on with the other; return what was wrong."""
    servers, wrong = [Server(workspace.root) for _ in range(2)], []
    try:
        known = {j.id for j in jobs.jobs(workspace)}
        at = time.monotonic() + 0.2
        for server in servers:
            server.ask("submit", [command(data, 10 * n), "cpu"], at)
        first = [server.answer() for server in servers]
        if first[0] != first[1]:
            wrong.append(f"the same thing became two jobs: {first}")
        at = time.monotonic() + 0.2
        for i, server in enumerate(servers):
            server.ask("submit", [command(data, 10 * n + 1 + i), "cpu"], at)
        victim = rng.randrange(2)
        time.sleep(max(0.0, at - time.monotonic()) + rng.random() * 0.15)
        servers[victim].kill()  # it may have made its job by now, or be about to
        counts["kills"] += 1
        left = servers[1 - victim]
        own, lost = left.answer(), servers[victim].answer()
        counts["before its answer"] += not lost
        left.ask("list")
        seen = dict(left.answer())
        again = servers[victim] = Server(workspace.root)
        again.ask("list")
        others = dict(again.answer())
        if seen.keys() != others.keys():
            wrong.append(f"one sees {sorted(seen)}, the other {sorted(others)}")
        if missing := {*known, first[0], own, *([lost] if lost else [])} - seen.keys():
            wrong.append(f"lost {sorted(missing)}")
        again.ask("submit", [command(data, 10 * n + 1 + victim), "cpu"])
        anew = again.answer()
        if lost and anew != lost and jobs.status(workspace, lost).state in jobs.ACTIVE:
            wrong.append("what the killed server had started is started a second time")
        again.ask("submit", [command(data, 10 * n + 3), "cpu"])
        doomed = again.answer()
        left.ask("stop", doomed)  # by the server that has not started it
        left.answer()
        made = sorted({j.id for j in jobs.jobs(workspace)} - known - {doomed})
        wrong += wait_all(workspace, made)
        ended = jobs.wait(workspace, doomed, PATIENCE).state
        if ended not in ("stopped", "done"):
            wrong.append(f"stopped by the other server, it is {ended}")
        counts["jobs"] += len(made) + 1
        counts["stopped"] += ended == "stopped"
        checkup = whole_workspace.check(workspace)
        wrong += [*checkup.damaged, *checkup.orphans]
        if more := list((workspace.root / "jobs").glob(".new-*")):
            counts["drafts of jobs left"] += len(more)
        return wrong
    finally:
        for server in servers:
            server.kill()


def browsers(workspace: Workspace, data: str, folder: pathlib.Path) -> list[str]:
    """Show one job on two real servers, kill the first; return what was wrong."""
    from playwright.sync_api import sync_playwright

    from tests.e2e import conftest as e2e

    wrong, servers = [], []
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=e2e.CHROMIUM, args=list(e2e.QUIET))
        try:
            servers += [e2e.Server(workspace.root, folder / f"{i}.log") for i in range(2)]
            device = workspace.root / "jobs" / "cpu.lock"
            with device.open("a") as held:  # so that it waits as long as we look
                import fcntl

                fcntl.flock(held, fcntl.LOCK_EX)
                argv = command(data, 999_999)
                id = jobs.submit(workspace, argv, title="seen by both", device="cpu")
                for server in servers:
                    page = browser.new_page()
                    page.goto(server.url())
                    page.get_by_text("seen by both").first.wait_for(timeout=120_000)
                servers[0].kill()
            wrong += wait_all(workspace, [id])
            page.reload()
            page.get_by_test_id("stAppViewContainer").wait_for(timeout=120_000)
        except Exception as e:
            wrong.append(f"{type(e).__name__}: {str(e)[:300]}")
        finally:
            for server in servers:
                server.kill()
            browser.close()
    return wrong


def campaign(
    n: int, seed: int = 0, browser: int = 0, minutes: float = 8.0, *, folder: pathlib.Path
) -> dict:
    """Do so many rounds, or so long; return what was seen."""
    rng, end = random.Random(seed), time.monotonic() + 60 * minutes
    file = folder / "rows.jsonl"
    lines = [{"question": f"What is {i}?", "answer": f"{i}"} for i in range(60)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    workspace = Workspace(folder / "w")
    data = dataset.run(workspace, dataset.Settings(path=str(file), holdout="10"))
    counts = {"kills": 0, "before its answer": 0, "jobs": 0, "stopped": 0, "drafts of jobs left": 0}
    found = {"rounds": 0, "wrong": [], "counts": counts, "browsers": "not asked for"}
    for number in range(n):
        if time.monotonic() > end:
            break
        wrong = one_round(workspace, data, rng, number, counts)
        found["rounds"] += 1
        found["wrong"] += wrong
        sys.stderr.write(f"{number} {counts} {wrong}\n")
    if browser:
        wrong = browsers(workspace, data, folder)
        found["browsers"] = wrong or "both showed the job, one went on"
        found["wrong"] += wrong
    return found


if __name__ == "__main__":
    sys.exit(main(campaign, 5))
