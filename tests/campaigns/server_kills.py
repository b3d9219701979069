"""Kill the real Streamlit server: as it starts, as a page is opened, as it saves, as it starts a job.

`python -m tests.campaigns.server_kills 20 [SEED] [MINUTES] [FOLDER]`: the servers follow each other on one
workspace, so each shows what the one before left. With "all" the processes of its jobs are killed with it.
FOLDER may be that of `tests.campaigns.kills`. The last line is JSON: kills by moment, and what was wrong.
"""

import collections
import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

from core import jobs
from core.jobs.files import load_worker
from core.jobs.record import folder_of
from core.workspace.store import Workspace
from tests.campaigns.command import main
from tests.campaigns.kills import broken, prepared
from tests.campaigns.session import Session
from tests.e2e.conftest import ROOT, Server, free_port

PATIENCE = 180.0
MOMENTS = ("its first 100 ms", "its start", "opening", "saving", "a job", "a job, all")


def starting(root: pathlib.Path, seconds: float) -> None:
    """Start a server and kill it after so many seconds."""
    argv = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
    process = subprocess.Popen(
        [*argv, f"--server.port={free_port()}", "--server.headless=true"],
        cwd=ROOT,
        env={**os.environ, "S2L_WORKSPACE": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    process.kill()
    process.wait()


def kill_jobs(workspace: Workspace) -> None:
    for job in jobs.active(workspace):
        facts = load_worker(folder_of(workspace, job.id))
        for key in ("supervisor", "pgid"):
            with contextlib.suppress(ProcessLookupError, KeyError):
                os.kill(facts[key], signal.SIGKILL)


def press_and_kill(workspace, server, groups, chosen, moment, rng) -> None:
    """Press a button, and kill the server a moment later, or as something appears."""
    saves = moment == "saving"
    query = f"clusters={groups}" if saves else f"selection={chosen}"
    session = Session(server.port, "selection", query)
    if session.errors():
        raise RuntimeError(f"the page shows {session.errors()}")
    if saves:
        slider = session.widget("slider", "")
        session.run(widgets=[(slider.id, "double_array_value", [float(rng.randint(15, 60))])])
    place = workspace.root / ("selection" if saves else "jobs")
    before = set(place.glob("*"))
    session.press("Save this selection" if saves else "Write the folder", wait=False)
    if rng.random() < 0.5:
        time.sleep(rng.random() * 0.1)
    else:
        end = time.monotonic() + 20
        while set(place.glob("*")) <= before and time.monotonic() < end:
            time.sleep(0.0005)
        time.sleep(rng.random() * rng.choice((0.02, 0.5)))
    server.kill()
    if moment.endswith("all"):
        kill_jobs(workspace)
    session.socket.close_socket()


def after(workspace: Workspace, known: set[str]) -> list[str]:
    """Wait until the jobs have ended; return what is wrong, and tidy up."""
    end = time.monotonic() + PATIENCE
    while jobs.active(workspace) and time.monotonic() < end:
        time.sleep(0.1)
    wrong = broken(workspace)
    wrong += [
        f"{j.state} mute" for j in jobs.jobs(workspace) if j.state != "done" and not j.message
    ]
    for entry in workspace.entries():
        if entry.id not in known:
            workspace.delete(entry.id)
    for job in jobs.jobs(workspace):
        jobs.forget(workspace, job.id)
    shutil.rmtree(workspace.root / "exports", ignore_errors=True)
    return wrong


def campaign(kills: int, seed: int = 0, minutes: float = 15.0, *, folder: pathlib.Path) -> dict:
    """Kill so often, or so long; return what was seen."""
    rng, end = random.Random(seed), time.monotonic() + 60 * minutes
    made, needs = prepared(folder)
    root = folder / "server"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(made.root, root)
    workspace = Workspace(root)
    known = {e.id for e in workspace.entries()}
    groups, chosen = needs["selection"][2], needs["finetune"][2]
    found = {"kills": 0, "moments": collections.Counter(), "wrong": []}
    for number in range(kills):
        if time.monotonic() > end:
            break
        moment, wrong = MOMENTS[number % len(MOMENTS)], []
        if moment.startswith("its"):
            starting(root, rng.random() * (0.1 if "first" in moment else 8))
        else:
            server = Server(root, folder / "server.log")
            try:
                if moment == "opening":
                    session = Session(server.port)
                    wrong += session.errors()
                    session.send("clusters")
                    time.sleep(rng.random())
                else:
                    press_and_kill(workspace, server, groups, chosen, moment, rng)
            except Exception as e:
                wrong.append(f"{type(e).__name__}: {str(e)[:200]}")
            finally:
                server.kill()
        wrong += after(workspace, known)
        found["kills"] += 1
        found["moments"][moment] += 1
        found["wrong"] += [[moment, text] for text in wrong]
        sys.stderr.write(f"{number} {moment} {wrong}\n")
    return found


if __name__ == "__main__":
    sys.exit(main(campaign, 12))
