"""A disk that fills up, at each of many sizes: a sentence, no traceback, nothing half made.

`python -m tests.campaigns.disk_full 60 [MINUTES]` runs so many commands at most, each in a
workspace on a small disk of its own (tmpfs: needs the right to mount) that has a little more room
than the one before, until the command fits. The last line is JSON: tried, full and fitted of every
command, what became of each job (refused as it was submitted, or how it ended and with which words), and
what did something else.
"""

import collections
import contextlib
import io
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from core import clusters, dataset, jobs, selection, trajectories
from core.__main__ import main as command
from core.jobs.record import ENDED
from core.workspace.store import Workspace

STEP = 16
"""KiB of room at first; each disk has 1.9 times that of the one before, for a job a page more."""
FULL = ("disk is full", " MiB are free ")
"""Words of the sentence: noticed in the middle, or before anything was begun."""
ROWS = 300


def base(folder):
    """Make a workspace with one artifact of each kind that is needed; return it and the flags."""
    file = folder / "rows.jsonl"
    lines = [
        {"question": f"What is {i} and {i % 7}?", "answer": str(i + i % 7)} for i in range(ROWS)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    workspace = Workspace(folder / "base")
    data = dataset.run(workspace, dataset.Settings(path=str(file), holdout="30"))
    how = {"model": "scratch:tiny", "epochs": 1.0, "checkpoints": 3, "map": False}
    paths = trajectories.run(workspace, trajectories.Settings(dataset=data, **how))
    groups = clusters.run(workspace, clusters.Settings(trajectories=paths, k=5, map=False))
    chosen = selection.run(workspace, selection.Settings(parent=groups))
    shutil.rmtree(workspace.cache, ignore_errors=True)
    flags = ["--model", "scratch:tiny", "--epochs", "1", "--checkpoints", "3", "--map=no"]
    return workspace, {
        "dataset": ["--path", str(file), "--holdout", "31"],
        "clusters": ["--trajectories", paths, "--k", "6", "--map=no"],
        "selection": ["--clusters", groups, "--budget", "20"],
        "trajectories": ["--dataset", data, *flags, "--seed", "1"],
        "finetune": ["--selection", chosen, "--model", "scratch:tiny", "--steps", "2"],
        "job": ["selection", "--clusters", groups, "--budget", "21"],
    }


@contextlib.contextmanager
def small_disk(place, kib):
    """Mount a disk of so many KiB."""
    place.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(place)]
    subprocess.run(mount, check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def attempt(noun, flags, workspace):
    """Run a command; return whether it fitted, and what was wrong with how it did not."""
    before = {e.id for e in workspace.entries() if e.state == "sealed"}
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = command([noun, *flags, "--workspace", str(workspace.root)])
        except SystemExit as e:
            code = e.code
        except BaseException as e:
            return False, f"traceback: {e!r}"
    new = {e.id for e in workspace.entries() if e.state == "sealed"} - before
    damaged = [e.id for e in workspace.entries() if e.state == "damaged"]
    broken = [p for id in [*before, *new] for p in workspace.verify(id)]
    last = (told.getvalue().strip().splitlines() or [""])[-1]
    if damaged or broken:
        return False, f"damaged: {[*damaged, *broken][:3]}"
    if code in (0, None):
        return True, "" if new else "said done and made nothing"
    if "Traceback" in told.getvalue() or code != 2 or not any(words in last for words in FULL):
        return False, f"{code}: {last[:200]}"
    return False, "" if not new else "failed and made something"


def submitted(flags, workspace):
    """Submit a job; return whether it was done, what is wrong if it never ends, what became of it."""
    try:
        id = jobs.submit(workspace, flags, title="job", device="none")
    except OSError as e:
        left = [p.name for p in (workspace.root / "jobs").glob("[!.]*")]
        return False, f"refused and left {left}" if left else "", f"refused: {e.strerror}"
    end = time.monotonic() + 90
    while time.monotonic() < end:
        found = jobs.status(workspace, id)
        if found.state in ENDED:
            wrong = ""
            if found.state != "done" and "disk is full" not in found.message:
                wrong = f"{found.state}, and no word of the disk: {found.message[:200]}"
            return found.state == "done", wrong, f"{found.state}: {found.message[:90]}"
        time.sleep(0.2)
    return False, f"still {found.state} after 90 s", found.state


def campaign(most, minutes):
    """Try; return what was found."""
    end = time.monotonic() + 60 * minutes
    found = {
        "tried": 0,
        "full": collections.Counter(),
        "fitted": collections.Counter(),
        "jobs": [],
        "wrong": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        try:
            with small_disk(pathlib.Path(folder) / "disk", 64):
                pass
        except (OSError, subprocess.CalledProcessError) as e:
            return {**found, "skipped": f"no disk can be mounted here: {e}"}
        made, commands = base(pathlib.Path(folder))
        used = sum(4 * -(-p.stat().st_size // 4096) for p in made.root.rglob("*") if p.is_file())
        share = max(1, most // len(commands))
        for noun, flags in commands.items():
            for number in range(share):
                if time.monotonic() > end:
                    return found
                room = 4 * number if noun == "job" else round(STEP * 1.9**number)
                with small_disk(pathlib.Path(folder) / "disk", used + room) as place:
                    shutil.copytree(made.root, place / "w")
                    workspace = Workspace(place / "w")
                    if noun == "job":
                        fitted, wrong, became = submitted(flags, workspace)
                        found["jobs"].append([room, became])
                    else:
                        fitted, wrong = attempt(noun, flags, workspace)
                found["tried"] += 1
                found["fitted" if fitted else "full"][noun] += 1
                if wrong:
                    found["wrong"].append([noun, room, wrong])
                if fitted:
                    break
    return found


if __name__ == "__main__":
    result = campaign(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 5)
    sys.stdout.write(json.dumps(result) + "\n")
    sys.exit(bool(result["wrong"]))
