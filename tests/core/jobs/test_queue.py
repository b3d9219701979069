import concurrent.futures
import json
import os
import shlex
import signal
import subprocess
import sys

import pytest

from core import jobs, layout
from core.workspace.files import ROOT
from core.workspace.store import Workspace
from tests.core.jobs.conftest import UNTIL_STOP, spawn, started, until


def test_one_at_a_time_in_order(workspace):
    script = """
append_jsonl(job.parent / "stamps.jsonl", {"job": job.name, "what": "start"})
time.sleep(0.1)
append_jsonl(job.parent / "stamps.jsonl", {"job": job.name, "what": "end"})
finish()
"""
    ids = [spawn(workspace, script + f"# {n}", device="cuda:0") for n in range(3)]
    assert ids == sorted(ids)
    assert jobs.status(workspace, ids[2]).ahead == 2
    other = spawn(workspace, "finish()", device="cpu")
    light = spawn(workspace, "finish()#", device="none")
    assert jobs.wait(workspace, other, 10).state == "done"
    assert jobs.wait(workspace, light, 10).state == "done"
    assert jobs.status(workspace, ids[2]).state == "queued"  # another device does not wait
    assert {jobs.wait(workspace, id, 10).state for id in ids} == {"done"}
    stamps = (workspace.root / "jobs" / "stamps.jsonl").read_text().splitlines()
    expected = [{"job": id, "what": what} for id in ids for what in ("start", "end")]
    assert [json.loads(s) for s in stamps] == expected
    assert [j.id for j in jobs.jobs(workspace)] == sorted([*ids, other, light], reverse=True)


def test_stop_while_queued(workspace):
    first = spawn(workspace, UNTIL_STOP)
    second = spawn(workspace, "finish()")
    started(workspace, first)
    jobs.stop(workspace, second)
    job = jobs.wait(workspace, second, 5)
    assert (job.state, job.message, job.started) == ("stopped", "stopped before it began", "")
    assert jobs.status(workspace, first).state == "running"


def test_a_second_launch_returns_the_first(workspace):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: spawn(workspace, UNTIL_STOP), range(8)))
    assert len(ids) == 1
    (id,) = ids
    assert spawn(workspace, UNTIL_STOP) == id
    assert [j.id for j in jobs.jobs(workspace)] == [id]
    keyed = spawn(workspace, "finish()", key="form-1", device="")
    assert jobs.wait(workspace, keyed, 10).state == "done"
    assert (
        spawn(workspace, "finish()", key="form-1", device="") == keyed
    )  # ended long ago, still once
    assert spawn(workspace, "finish()", key="form-2", device="") != keyed


def test_job_outlives_a_killed_launcher(workspace):
    code = "from tests.core.jobs.test_queue import *; print(spawn(Workspace(sys.argv[1]), UNTIL_STOP), flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code, workspace.root],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    ) as launcher:
        id = launcher.stdout.readline().strip()
        os.killpg(launcher.pid, signal.SIGKILL)
    started(workspace, id)
    job = jobs.status(workspace, id)
    assert job.state == "running"
    until(lambda: jobs.status(workspace, id).step > job.step)
    assert jobs.status(workspace, id).seconds_left > 0
    jobs.stop(workspace, id)
    assert jobs.wait(workspace, id, 10).state == "stopped"


def test_an_unwritable_workspace_is_an_error_at_launch(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        jobs.submit(Workspace(tmp_path / "file"), ["demo"], title="x")


def test_submit_runs_the_command_it_shows(workspace):
    argv = ["verify", "no-such-id"]
    shown = jobs.command(workspace, argv)
    id = jobs.submit(workspace, argv, title="Verify", device="none")
    job = jobs.wait(workspace, id, 20)
    assert (job.state, job.message.split(" in ")[0]) == ("failed", "no artifact 'no-such-id'")
    assert job.command == shown
    words = shlex.split(shown)
    assert words[:3] == ["cd", str(ROOT), "&&"]
    assert words[4:] == ["-m", "core", "verify", "no-such-id", "--workspace", str(workspace.root)]
    ran = subprocess.run(shown, shell=True, capture_output=True, text=True, timeout=20, check=False)
    assert ran.returncode == 2
    assert "no artifact 'no-such-id'" in ran.stderr


def test_a_job_is_known_by_its_settings_not_by_its_words(workspace, busy):
    busy(workspace)
    wanted = layout.Settings(trajectories="x")
    texts = jobs.submit(
        workspace, ["layout", "--trajectories", "x", "--of", "embeddings"], title=""
    )
    assert jobs.latest(workspace, "layout", wanted) is None
    argv = ["layout", "--name", "mine", "--seed=0", "--trajectories=x", "--include-start", "no"]
    mine = jobs.submit(workspace, argv, title="")
    assert jobs.latest(workspace, "layout", wanted).id == mine, "spelled otherwise, the same map"
    assert jobs.newest(workspace, "layout", of="embeddings").id == texts
    assert jobs.newest(workspace, "layout", trajectories="x").id == mine
    assert jobs.newest(workspace, "layout", trajectories="y") is None
    odd = jobs.submit(workspace, ["trajectories", "--dataset=d", "--import", "layout"], title="")
    assert jobs.newest(workspace, "trajectories").id == odd
    assert jobs.newest(workspace, "layout").id == mine, "a value is no noun"
    unknown = jobs.submit(workspace, ["layout", "--trajectories", "x", "--of-old", "1"], title="")
    assert jobs.settings_of(jobs.status(workspace, unknown)) is None
    jobs.submit(workspace, ["verify", "x"], title="")
    assert jobs.newest(workspace, "layout").id == mine
