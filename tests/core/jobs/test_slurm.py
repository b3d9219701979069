"""Slurm from outside: on stand-ins of its commands, and on a real one of one node where it starts."""

import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest

from core.errors import InputError
from core.jobs import slurm, slurm_run
from core.jobs.files import load_progress, outcome
from core.workspace.files import read_json
from core.workspace.store import Workspace
from tests.core.jobs import fake_slurm

PYTHON = sys.executable
COMMANDS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sacct")
TELLS = """#!{python}
import json, os, pathlib, sys, time
rank, folder = os.environ["RANK"], pathlib.Path(os.environ["S2L_OUTCOMES"])
job = pathlib.Path(os.environ["S2L_JOB"])
print("task", rank, "of", os.environ["WORLD_SIZE"], flush=True)
end = {{"state": "done", "result": "made", "message": "", "time": time.time()}}
if "--wait" in sys.argv:
    (job / "progress.jsonl").write_text(
        json.dumps(dict(stage="train", step=1, total=2, left=None, time=0)) + "\\n")
    while not (job / "STOP").exists():
        time.sleep(0.05)
    end |= {{"state": "stopped", "message": "stopped at step 1"}}
if "--die" in sys.argv:
    os._exit(9)
(folder / f"{{rank}}.json").write_text(json.dumps(end))
"""
CONFIG = """
ClusterName=one
SlurmctldHost={host}
SlurmUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
ReturnToService=2
AccountingStorageType=accounting_storage/none
NodeName={host} CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""


def stand_ins(folder: pathlib.Path) -> pathlib.Path:
    """Put stand-ins of Slurm's commands into a folder for PATH."""
    folder.mkdir()
    for name in COMMANDS:
        file = folder / name
        file.write_text(f'#!/bin/sh\nexec {PYTHON} {fake_slurm.__file__} {folder} {name} "$@"\n')
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return folder


def start_debian(folder: pathlib.Path) -> None:
    """Start a Slurm of one node; skip where that cannot be."""
    if not shutil.which("slurmctld") or not shutil.which("munge") or os.getuid():
        pytest.skip("needs Debian's slurmctld, slurmd and munge, and root to start them")
    if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode:
        pytest.skip("needs munged to run")
    free = [socket.socket() for _ in range(2)]
    for one in free:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in free]
    for one in free:
        one.close()
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    host = socket.gethostname().partition(".")[0]
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(host=host, ports=ports, folder=folder, cpus=os.cpu_count()))
    os.environ["SLURM_CONF"] = str(config)
    for command in (["slurmctld", "-c"], ["slurmd"]):
        subprocess.run(command, check=True, capture_output=True)
    for _ in range(100):
        shown = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True)
        if "idle" in shown.stdout:
            return
        time.sleep(0.2)
    pytest.skip(f"Slurm did not come up: {shown.stdout}{shown.stderr}")


@pytest.fixture(scope="module", params=["fake", "debian"])
def cluster(request, tmp_path_factory):
    """Yield a cluster's folder, its commands on PATH; what they run only tells its end."""
    folder = tmp_path_factory.mktemp(request.param)
    patch = pytest.MonkeyPatch()
    patch.setenv("SLURM_CONF", "")
    if request.param == "fake":
        patch.setenv("PATH", f"{stand_ins(folder / 'bin')}{os.pathsep}{os.environ['PATH']}")
        patch.delenv("SLURM_CONF")
    else:
        start_debian(folder)
    program = folder / "python"
    program.write_text(TELLS.format(python=PYTHON))
    program.chmod(0o755)
    patch.setattr(slurm.sys, "executable", str(program))
    patch.setattr(slurm_run, "POLL", 0.05)
    patch.setattr(slurm_run, "ASK", 0.2)
    yield folder
    patch.undo()
    for name in ("slurmctld", "slurmd"):
        if (pid := folder / f"{name}.pid").exists():
            os.kill(int(pid.read_text()), 15)


@pytest.fixture(autouse=True)
def never_for_ever():
    """End a test that waits for what does not come."""

    def late(number, frame):
        raise AssertionError("nothing came within two minutes")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Return the folder of the job that follows."""
    folder = tmp_path / "job"
    folder.mkdir()
    monkeypatch.setenv("S2L_JOB", str(folder))
    return folder


def when(condition, then):
    """Do something in a thread as soon as a condition holds."""

    def wait():
        while not condition():
            time.sleep(0.02)
        then()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def stages(job):
    return [r["stage"] for r in load_progress(job)]


def test_it_is_submitted_followed_and_ends_with_what_the_tasks_told(cluster, job, tmp_path, capfd):
    workspace = Workspace(tmp_path / "w")
    told = slurm_run.slurm(workspace, ["finetune", "--seed", "1"], 2)
    assert [(t["state"], t["result"]) for t in told] == [("done", "made")] * 2
    folder = slurm.folder_of(workspace, ["finetune", "--seed", "1"])
    assert not (folder / slurm.JOB).exists()
    said = capfd.readouterr().err
    assert "task 0 of 2\n" in said
    assert "task 1 of 2\n" in said


def test_a_wish_to_stop_reaches_it_and_its_progress_comes_back(cluster, job, tmp_path):
    when(lambda: "train" in stages(job), (job / "STOP").touch)
    told = slurm_run.slurm(Workspace(tmp_path / "w"), ["finetune", "--wait"], 1)
    assert [(t["state"], t["message"]) for t in told] == [("stopped", "stopped at step 1")]


def test_one_that_is_cancelled_there_is_stopped_here(cluster, job, tmp_path):
    workspace = Workspace(tmp_path / "w")
    file = slurm.folder_of(workspace, ["finetune", "--wait"]) / slurm.JOB
    when(lambda: "train" in stages(job), lambda: slurm.cancel(read_json(file)["id"]))
    (told,) = slurm_run.slurm(workspace, ["finetune", "--wait"], 1)
    assert told["state"] == "stopped"
    assert "was cancelled" in told["message"]


def test_a_task_that_dies_takes_the_job_with_it_and_is_no_success(cluster, job, tmp_path):
    (told,) = slurm_run.slurm(Workspace(tmp_path / "w"), ["finetune", "--die"], 2)
    assert (told["state"], told["failure"]) == ("failed", "lost-process")
    assert "--resume continues" in told["message"]


def test_who_follows_may_vanish_and_comes_back(cluster, job, tmp_path):
    workspace = Workspace(tmp_path / "w")
    folder = slurm.folder_of(workspace, ["finetune", "--wait"])
    assert folder == slurm.folder_of(workspace, ["finetune", "--wait", "--resume", "yes"])
    id = slurm.submit(folder, ["finetune", "--wait"], 1)
    with pytest.raises(InputError, match=f"Slurm's job {id} is at work on the same settings"):
        slurm_run.slurm(workspace, ["finetune", "--wait"], 1)
    when(lambda: "train" in stages(job), (job / "STOP").touch)
    (told,) = slurm_run.slurm(workspace, ["finetune", "--wait", "--resume", "yes"], 1)
    assert told["state"] == "stopped"


@pytest.fixture
def fake(tmp_path, monkeypatch):
    folder = stand_ins(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(slurm_run, "POLL", 0.02)
    monkeypatch.setattr(slurm_run, "ASK", 0.05)
    return folder


def test_a_cluster_that_is_away_is_unreachable_not_lost(fake, job, tmp_path, monkeypatch):
    (fake / "1.job").write_text(str(os.getpid()))  # at work
    (fake / "AWAY").touch()
    folder = tmp_path / "there"
    (folder / "outcomes").mkdir(parents=True)

    when(lambda: any("has not answered since" in s for s in stages(job)), (fake / "AWAY").unlink)

    def finish():
        (folder / "outcomes" / "0.json").write_text('{"state": "done", "result": "x", "time": 1}')

    when(lambda: "runs under Slurm" in stages(job), finish)
    (told,) = slurm_run.Follower(folder, "1", 1).follow()
    assert told["state"] == "done"
    (record,) = [r for r in load_progress(job) if slurm_run.UNREACHABLE in r]
    assert "Unable to contact slurm controller" in record[slurm_run.UNREACHABLE]


def test_one_that_waits_in_the_queue_is_shown_and_can_be_stopped(fake, job, tmp_path):
    (fake / "HOLD").touch()
    when(lambda: "waits in Slurm's queue (Resources)" in stages(job), (job / "STOP").touch)
    (told,) = slurm_run.slurm(Workspace(tmp_path / "w"), ["finetune"], 1)
    assert (told["state"], told["message"]) == (
        "stopped",
        "stopped while it waited in Slurm's queue",
    )


def test_what_ended_unwatched_is_told_and_what_failed_is_tried_again(fake, job, tmp_path):
    workspace = Workspace(tmp_path / "w")
    folder = slurm.folder_of(workspace, ["finetune"])
    (folder / "outcomes").mkdir(parents=True)
    (folder / slurm.EXIT).touch()
    (folder / slurm.JOB).write_text('{"id": "7"}')
    (folder / "outcomes/0.json").write_text('{"state": "done", "result": "x", "time": 1}')
    (told,) = slurm_run.slurm(workspace, ["finetune", "--resume", "yes"], 1)
    assert told["result"] == "x"
    (folder / slurm.JOB).write_text('{"id": "7"}')
    (folder / "outcomes/0.json").write_text('{"state": "failed", "message": "m", "time": 1}')
    (fake / "HOLD").touch()
    when(lambda: bool(stages(job)), (job / "STOP").touch)
    (told,) = slurm_run.slurm(workspace, ["finetune", "--resume", "yes"], 1)
    assert told["state"] == "stopped", "a new job, which waits"


def test_near_the_time_limit_it_saves_and_says_so(tmp_path):
    (tmp_path / "outcomes").mkdir()
    (tmp_path / slurm.LIMIT).touch()
    told = outcome("stopped", message="stopped at step 3 of 9; saved")
    (tmp_path / "outcomes/0.json").write_text(str(told).replace("'", '"'))
    (found,) = slurm_run.Follower(tmp_path, "1", 1).ended("")
    assert found["message"].endswith("saved; Slurm's time limit was near: --resume goes on")
