import concurrent.futures
import contextlib
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from core import finetune, jobs, layout
from core.jobs import record as job_files
from core.jobs.queue import _spawn
from core.workspace.files import ROOT, read_json
from core.workspace.store import Workspace

PRELUDE = """
import os, signal, subprocess, sys, time
from core.workspace.files import append_jsonl, write_json
from core.jobs.progress import Progress, job_dir, say, stop_requested
job = job_dir()
def finish(state="done", **more):
    write_json(job / "status.json", {"state": state, "result": "", "message": "", **more})
"""
UNTIL_STOP = """
progress = Progress("training", 1000)
for step in range(1000):
    if stop_requested():
        finish("stopped", message="saved at step %d" % step)
        sys.exit(3)
    progress.update(step, loss=1.5)
    time.sleep(0.05)
"""
DEAF = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
Progress("training", 10)
time.sleep(60)
"""


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> Iterator[Workspace]:
    made = Workspace(tmp_path / "my workspace")
    yield made
    left = [p for p in job_files.folders(made.root / "jobs") if job_files.alive(p)]
    for folder in left:  # leave no process behind
        (folder / "STOP").touch()
    until(lambda: not any(kill_worker(folder) for folder in left))


def spawn(workspace: Workspace, script: str, **facts: object) -> str:
    base = {
        "title": "a test",
        "device": "cpu",
        "key": "",
        "user": "",
        "grace": 60,
        "kill_after": 10,
    }
    return _spawn(workspace, [sys.executable, "-c", PRELUDE + script], **{**base, **facts})


def until(true: Callable[[], object], timeout: float = 10) -> None:
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.03)


def started(workspace: Workspace, id: str) -> dict[str, int]:
    """Wait until the worker has reported, return its process ids."""
    folder = workspace.root / "jobs" / id
    until(lambda: (folder / "progress.jsonl").exists() and (folder / "worker.json").exists())
    return read_json(folder / "worker.json")


def kill_worker(folder: pathlib.Path) -> bool:
    """Kill the worker, if it has begun; say whether anything of the job was alive."""
    alive, worker = job_files.alive(folder), read_json(folder / "worker.json")
    if alive and worker:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker["pgid"], signal.SIGKILL)
    return alive


def gone(pid: int) -> bool:
    """Whether a process has ended; a zombie nobody has collected yet has."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return shown.stdout.strip()[:1] in ("", "Z")


def test_done_with_result_progress_and_log(workspace):
    script = """
    say("hello")
    progress = Progress("training", 3)
    for step in (1, 2, 3):
        time.sleep(0.01)
        progress.update(step, loss=0.5 * step)
    finish(result="20260101-000000000-abcd")
    """.replace("\n    ", "\n")
    id = spawn(workspace, script, title="Proxy", user="ana")
    job = jobs.wait(workspace, id, 10)
    assert (job.state, job.result, job.title, job.user) == (
        "done",
        "20260101-000000000-abcd",
        "Proxy",
        "ana",
    )
    assert (job.stage, job.step, job.total, job.metrics) == ("training", 3, 3, {"loss": 1.5})
    until(lambda: not job_files.alive(workspace.root / "jobs" / id))
    job = jobs.status(workspace, id)
    assert job.created < job.started < job.ended
    assert job.seconds_left is None
    assert jobs.log_tail(workspace, id).startswith("hello\n")
    assert jobs.log_tail(workspace, id, lines=1).startswith("training: 3 of 3")
    assert [r["step"] for r in jobs.progress_of(workspace, id)] == [0, 3]
    assert jobs.jobs(workspace) == [job]
    assert jobs.active(workspace) == []
    jobs.forget(workspace, id)
    assert jobs.jobs(workspace) == []


def test_failures_are_told_in_words(workspace):
    told = spawn(
        workspace, "finish('failed', message='--lr is above 0, not -1'); sys.exit(2)", device=""
    )
    crash = spawn(workspace, "raise RuntimeError('no such layer')", device="")
    silent = spawn(workspace, "pass", device="")
    missing = _spawn(
        workspace, ["/no/such/python"], title="", device="", key="", user="", grace=1, kill_after=1
    )
    job = jobs.wait(workspace, told, 10)
    assert (job.state, job.message) == ("failed", "--lr is above 0, not -1")
    job = jobs.wait(workspace, crash, 10)
    assert job.state == "failed"
    assert "exit code 1" in job.message
    assert "RuntimeError: no such layer" in job.message
    job = jobs.wait(workspace, silent, 10)
    assert job.state == "failed"  # exit code 0 alone is no success
    assert "no result" in job.message
    job = jobs.wait(workspace, missing, 10)
    assert job.state == "failed"
    assert "/no/such/python" in job.message


def test_worker_killed_is_lost_and_its_children_end(workspace):
    id = spawn(
        workspace,
        """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
Progress("training", 10).update(10, child=child.pid)
time.sleep(60)
""",
    )
    worker = started(workspace, id)
    until(lambda: "child" in jobs.status(workspace, id).metrics)
    job = jobs.status(workspace, id)
    assert job.state == "running"
    os.kill(worker["pgid"], signal.SIGKILL)
    lost = jobs.wait(workspace, id, 10)
    assert lost.state == "lost"
    assert "SIGKILL" in lost.message
    assert "memory" in lost.message
    until(lambda: gone(job.metrics["child"]))


def test_all_processes_killed_is_lost(workspace):
    id = spawn(workspace, UNTIL_STOP)
    worker = started(workspace, id)
    with pytest.raises(ValueError, match="is running; stop it first"):
        jobs.forget(workspace, id)
    os.kill(worker["supervisor"], signal.SIGKILL)
    os.killpg(worker["pgid"], signal.SIGKILL)
    until(lambda: gone(worker["pgid"]) and gone(worker["supervisor"]))
    job = jobs.status(workspace, id)
    assert job.state == "lost"
    assert "vanished" in job.message
    assert job.ended >= job.started  # killed before it had written a line
    assert jobs.active(workspace) == []
    again = spawn(workspace, UNTIL_STOP)  # same argv: the lost one is not in the way
    assert again != id


def test_supervisor_killed_alone_changes_nothing(workspace):
    id = spawn(
        workspace,
        """
Progress("training", 10)
while not (job / "go").exists():
    time.sleep(0.02)
finish(result="x")
""",
    )
    worker = started(workspace, id)
    os.kill(worker["supervisor"], signal.SIGKILL)
    until(lambda: gone(worker["supervisor"]))
    waiting = spawn(workspace, "finish()")
    time.sleep(0.7)
    assert jobs.status(workspace, id).state == "running"
    assert jobs.status(workspace, waiting).state == "queued"  # the worker still has the device
    (workspace.root / "jobs" / id / "go").touch()
    assert jobs.wait(workspace, id, 10).state == "done"
    assert jobs.wait(workspace, waiting, 10).state == "done"


def test_orphaned_deaf_worker_can_still_be_stopped(workspace):
    id = spawn(workspace, DEAF, grace=0.2, kill_after=0.2)
    worker = started(workspace, id)
    os.kill(worker["supervisor"], signal.SIGKILL)
    until(lambda: gone(worker["supervisor"]))
    jobs.stop(workspace, id)
    jobs.stop(workspace, id)
    until(lambda: jobs.status(workspace, id).state == "stopped")
    assert "was killed" in jobs.status(workspace, id).message
    assert gone(worker["pgid"])


def test_stop_lets_the_worker_save(workspace):
    id = spawn(workspace, UNTIL_STOP)
    started(workspace, id)
    jobs.stop(workspace, id)
    job = jobs.wait(workspace, id, 10)
    assert job.state == "stopped"
    assert job.message.startswith("saved at step")
    before = (workspace.root / "jobs" / id / "status.json").stat().st_mtime_ns
    jobs.stop(workspace, id)  # an ended job stays as it ended
    until(lambda: not job_files.alive(workspace.root / "jobs" / id))
    assert (workspace.root / "jobs" / id / "status.json").stat().st_mtime_ns == before


def test_stop_ladder(workspace):
    deaf = spawn(workspace, DEAF, device="a", grace=0.3, kill_after=0.4)
    slow = spawn(workspace, "Progress('training', 10)\ntime.sleep(60)", device="b", grace=0.3)
    hung = spawn(
        workspace,
        "finish(result='x')\nProgress('training', 10)\ntime.sleep(60)",
        device="c",
        grace=0.3,
    )
    for id in (deaf, slow, hung):
        started(workspace, id)
    jobs.stop(workspace, deaf)
    jobs.stop(workspace, slow)
    assert jobs.status(workspace, deaf).state == "stopping"
    assert "terminated" in jobs.wait(workspace, slow, 10).message
    job = jobs.wait(workspace, deaf, 10)
    assert job.state == "stopped"
    assert "did not stop within 0.3 s nor 0.4 s after SIGTERM and was killed" in job.message
    until(
        lambda: not job_files.alive(workspace.root / "jobs" / hung)
    )  # done, but it kept the device
    assert jobs.status(workspace, hung).state == "done"


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


def test_much_output_does_not_freeze(workspace):
    id = spawn(
        workspace, "for n in range(20_000): print('x' * 100, n)\nsys.stdout.flush()\nfinish()"
    )
    assert jobs.wait(workspace, id, 10).state == "done"
    assert (workspace.root / "jobs" / id / "log").stat().st_size > 2_000_000
    tail = jobs.log_tail(workspace, id, lines=200).split("\n")
    assert len(tail) == 200
    assert tail[-1].endswith(" 19999")


def make(workspace: Workspace, id: str, **files: str) -> pathlib.Path:
    """Write a job directory by hand; nothing of it is alive."""
    folder = workspace.root / "jobs" / id
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_damaged_records_are_listed_as_lost(workspace):
    make(workspace, "20260101-000000001-aaaa", spec_json="{torn", log="")
    make(
        workspace,
        "20260101-000000002-aaaa",
        spec_json='{"title": "t", "argv": null}',
        status_json="\x00",
    )
    make(workspace, "20260101-000000003-aaaa")
    make(
        workspace,
        "20260101-000000004-aaaa",
        spec_json='{"title": "t"}',
        progress_jsonl='7\n{"step": 3, "stage": "a"}\n{"st',
    )
    listed = jobs.jobs(workspace)
    assert [j.state for j in listed] == ["lost"] * 4
    assert listed[0].step == 3
    assert listed[2].message == "status.json cannot be read; the log may tell more"
    assert listed[3].message == "spec.json cannot be read; the log may tell more"
    assert listed[3].command == ""
    for unknown in ("nope", "../jobs", ""):
        with pytest.raises(ValueError, match="no job"):
            jobs.status(workspace, unknown)


def test_hundreds_of_ended_jobs_list_quickly(workspace):
    record = '{"stage": "a", "step": 1, "total": 2, "left": 3.0, "time": 0}\n'
    for n in range(200):
        make(
            workspace,
            f"20260101-000000{n:03d}-aaaa",
            spec_json="{}",
            status_json='{"state": "done"}',
            progress_jsonl=record * 5000 if n == 0 else record,
        )
    assert len(jobs.jobs(workspace)) == 200
    began = time.monotonic()
    assert len(jobs.jobs(workspace)) == 200
    assert jobs.active(workspace) == []
    assert time.monotonic() - began < 1
    thinned = jobs.progress_of(workspace, "20260101-000000000-aaaa")
    assert 1000 < len(thinned) <= 2000


def test_redrawn_lines_show_their_last_state(workspace):
    make(workspace, "1", log="epoch\r\n 10%\r 50%\r100%\nend\n")
    assert jobs.log_tail(workspace, "1") == "epoch\n100%\nend"
    assert jobs.log_tail(workspace, "1", lines=1) == "end"


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


def test_a_stopped_run_is_resumed_as_it_was_asked_for(workspace, busy):
    busy(workspace)
    argv = [
        "finetune",
        "--selection",
        "resume",
        "--model=scratch:tiny",
        "--epochs",
        "2",
        "--seed",
        "1",
    ]
    id = jobs.submit(workspace, argv, title="Tune", user="ann")
    jobs.stop(workspace, id)
    assert jobs.wait(workspace, id, 20).state == "stopped"
    again = jobs.status(workspace, jobs.resume(workspace, id))
    asked = finetune.Settings(
        selection="resume", model="scratch:tiny", epochs=2, seed=1, resume=True
    )
    assert jobs.settings_of(again) == asked
    assert (again.title, again.user, again.device) == ("Tune", "ann", "cpu")
    assert jobs.resume(workspace, id) == again.id, "pressed twice, it starts once"
    other = jobs.submit(workspace, ["layout", "--trajectories", "x"], title="Map")
    with pytest.raises(ValueError, match="Map cannot be resumed"):
        jobs.resume(workspace, other)
    assert jobs.saved_step(workspace, id) == 0
