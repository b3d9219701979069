import json
import time

import pytest

from core.jobs import progress, tails
from core.workspace.files import read_jsonl


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.setenv("S2L_JOB", str(tmp_path))
    return tmp_path


def test_first_and_last_are_recorded_and_the_rest_twice_a_second(job):
    work = progress.Progress("training", 100)
    for step in range(1, 101):
        work.update(step, loss=2.0 / step)
    records = list(read_jsonl(job / "progress.jsonl"))
    assert [r["step"] for r in records] == [0, 100]
    assert records[-1]["loss"] == 0.02
    assert (records[-1]["stage"], records[-1]["total"], records[-1]["left"]) == (
        "training",
        100,
        0.0,
    )
    assert records[0]["left"] is None
    assert abs(records[0]["time"] - time.time()) < 5
    work._last -= 1
    work.update(50)
    assert len(list(read_jsonl(job / "progress.jsonl"))) == 3


def test_time_left_counts_only_what_this_run_did(job):
    work = progress.Progress("training", 100, done=90)
    assert work.seconds_left() is None
    work._began -= 10  # ten seconds ago
    work.update(95)
    assert work.seconds_left() == pytest.approx(10, abs=0.2)  # 5 steps took 10 s, 5 are left


def test_time_left_tells_training_from_the_recordings_inside_it(job):
    work = progress.Progress("training", 100, expected=300)
    assert work.seconds_left() == pytest.approx(300, abs=0.2)
    work._began -= 70  # a recording of one minute, then ten seconds of training
    assert work.seconds_left() == pytest.approx(230, abs=0.2)
    work.aside, work.ahead = 60, 120  # and two recordings to come
    work.update(10)
    assert work.seconds_left() == pytest.approx(90 + 120, abs=0.2)


@pytest.mark.parametrize(
    ("rows", "tokens", "seconds", "expected"),
    [(300, 12_000, 2.0, (150, 6000)), (3, 900, 9.0, (0.33, 100)), (0, 0, 0.0, (0, 0))],
)
def test_speed_is_a_second(rows, tokens, seconds, expected):
    assert tuple(progress.speed(rows, tokens, seconds).values()) == expected


def test_nothing_to_do_is_no_division_by_zero(job):
    progress.Progress("scoring", 0).update(0)
    assert [r["total"] for r in read_jsonl(job / "progress.jsonl")] == [1]


def test_a_torn_last_line_is_ignored(job):
    progress.Progress("training", 10)
    whole = list(read_jsonl(job / "progress.jsonl"))
    with (job / "progress.jsonl").open("a") as f:
        f.write(json.dumps(whole[0])[:-4])
    assert list(read_jsonl(job / "progress.jsonl")) == whole
    assert tails.last_record(job / "progress.jsonl") == whole[0]


def test_without_a_job_it_only_tells_the_person(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("S2L_JOB", raising=False)
    monkeypatch.chdir(tmp_path)
    work = progress.Progress("training", 2000)
    work.update(2000, loss=0.123456, split="test")
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "training: 0 of 2,000"
    assert said[1].startswith("training: 2,000 of 2,000  loss 0.1235 split test  0 s left")
    assert list(tmp_path.iterdir()) == []
    assert not progress.stop_requested()


def test_stop_is_a_file(job):
    assert not progress.stop_requested()
    (job / "STOP").touch()
    assert progress.stop_requested()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (600, "10 min"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_duration(seconds, words):
    assert progress.duration(seconds) == words
