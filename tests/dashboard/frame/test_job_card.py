import os
import signal
import time
import types

import pytest
from streamlit.testing.v1 import AppTest

from core import jobs
from core.jobs import progress
from core.workspace.files import read_json
from core.workspace.store import Workspace
from dashboard.frame import job_card, state


@pytest.fixture
def headline(monkeypatch, tmp_path):
    monkeypatch.setattr(state, "workspace", lambda: Workspace(tmp_path))

    def line(*records):
        made = [{"left": None, **r} for r in records]
        monkeypatch.setattr(
            "core.jobs.queue.recent_progress", lambda workspace, id: (dict(r) for r in made)
        )
        return job_card.headline(types.SimpleNamespace(id="x", message=""))

    return line


TRAINING = {"stage": "train proxy", "step": 30, "total": 120, "loss": 2.5, "left": 90.0}


def test_before_anything_is_reported_it_says_so(headline):
    assert headline() == (0.0, "starting (loading the libraries takes some seconds)")


def test_training_says_step_loss_and_time_left(headline):
    words = "train proxy: 30 of 120 · loss 2.500 · about 1 min 30 s left"
    assert headline(TRAINING) == (0.25, words)


def test_a_recording_inside_the_training_stands_beside_it(headline):
    share, words = headline(TRAINING, {"stage": "record 2/13", "step": 50, "total": 200})
    assert share == 0.25
    assert "loss" not in words, "it stands still meanwhile"
    assert words.endswith("about 1 min 30 s left · record 2\\/13, 25%")


def test_a_stage_of_its_own_has_its_own_bar(headline):
    assert headline(TRAINING, {"stage": "layout", "step": 1, "total": 4}) == (
        0.25,
        "layout: 1 of 4",
    )


def newest_job():
    from core import jobs
    from dashboard.frame import job_card, state

    job_card.card(jobs.jobs(state.workspace())[0])


def test_a_stopped_job_says_where_it_goes_on_and_shows_that_it_does(copied, monkeypatch, busy):
    workspace = copied.workspace
    busy(workspace)
    argv = ["finetune", "--selection", copied.selection, "--model", "scratch:tiny"]
    id = jobs.submit(workspace, argv, title="Target")
    jobs.stop(workspace, id)
    jobs.wait(workspace, id, 20)
    with monkeypatch.context() as job:
        job.setenv("S2L_JOB", str(workspace.root / "jobs" / id))
        work = progress.Progress("train target", 1500)
        work.update(87, loss=2.5)
        work.saved(1089, loss=2.5)
    monkeypatch.setenv("S2L_WORKSPACE", str(workspace.root))
    at = AppTest.from_function(newest_job, default_timeout=60).run()
    (resume,) = [b for b in at.button if b.label.startswith("Resume")]
    assert resume.label == "Resume from step 1,089"
    resume.click().run()
    assert [b.label for b in at.button] == ["Stop"]


def test_the_resume_button_of_a_killed_job_continues_its_run(copied, monkeypatch):
    workspace = copied.workspace
    argv = [
        "trajectories",
        "--dataset",
        copied.dataset,
        "--model",
        "scratch:tiny",
        "--epochs",
        "30",
    ]
    id = jobs.submit(workspace, [*argv, "--map", "no", "--name", "killed"], title="Proxy")
    runs = workspace.root / "trajectories"
    deadline = time.monotonic() + 90
    while not (begun := list(runs.glob("*.partial/columns.jsonl"))):
        assert time.monotonic() < deadline, jobs.log_tail(workspace, id)
        time.sleep(0.01)
    worker = read_json(workspace.root / "jobs" / id / "worker.json")
    os.kill(worker["pgid"], signal.SIGKILL)
    assert jobs.wait(workspace, id, 20).state == "lost"
    left = begun[0].parent
    assert left.exists(), "killed before it was done"

    monkeypatch.setenv("S2L_WORKSPACE", str(workspace.root))
    at = AppTest.from_function(newest_job, default_timeout=60).run()
    (resume,) = [b for b in at.button if b.label == "Resume"]
    resume.click().run()
    job = jobs.jobs(workspace)[0]
    assert job.id != id
    ended = jobs.wait(workspace, job.id, 120)
    assert ended.state == "done", ended.message
    assert ended.result == left.name.removesuffix(".partial")
    assert {e.state for e in workspace.entries()} == {"sealed"}


def test_a_failed_run_names_the_button_that_it_has(monkeypatch):
    """Its message is for a terminal, where going on is --resume."""
    said = []
    monkeypatch.setattr(job_card.st, "error", lambda text, icon: said.append(text))
    monkeypatch.setattr(job_card, "_go_on", lambda job, known: None)
    monkeypatch.setattr("core.jobs.commands.can_resume", lambda job: True)
    message = "the disk is full; free some space and run the same command with --resume"
    facts = {"state": "failed", "failure": "disk-full", "seconds": 3.0, "title": "t"}
    job_card.ended(types.SimpleNamespace(message=message, **facts), "Failed", "")
    assert "free some space and choose “Try again”" in said[0]
    assert "Resume" not in said[0]
