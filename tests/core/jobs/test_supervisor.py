"""A worker is watched, stopped and accounted for, whoever dies."""

import os
import signal
import time

import pytest

from core import jobs
from core.jobs import files
from core.jobs import record as job_files
from core.jobs.queue import _spawn
from tests.core.jobs.conftest import DEAF, UNTIL_STOP, gone, spawn, started, until


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
    folder = workspace.root / "jobs" / id
    assert set(files.load_spec(folder)) == set(files.JobSpec.__annotations__)
    assert set(files.load_worker(folder)) == set(files.WorkerFacts.__annotations__)
    assert set(files.load_outcome(folder)) <= set(files.Outcome.__annotations__)
    assert set(files.load_progress(folder)[0]) == set(files.ProgressRecord.__annotations__)
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


def test_much_output_does_not_freeze(workspace):
    id = spawn(
        workspace, "for n in range(20_000): print('x' * 100, n)\nsys.stdout.flush()\nfinish()"
    )
    assert jobs.wait(workspace, id, 10).state == "done"
    assert (workspace.root / "jobs" / id / "log").stat().st_size > 2_000_000
    tail = jobs.log_tail(workspace, id, lines=200).split("\n")
    assert len(tail) == 200
    assert tail[-1].endswith(" 19999")
