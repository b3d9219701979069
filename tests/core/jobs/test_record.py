"""What stands in a folder of a job is listed, damaged or not."""

import datetime as dt
import fcntl
import json
import os
import pathlib
import time

import pytest

from core import jobs
from core.jobs import files
from core.workspace.store import Workspace


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


def test_a_long_progress_log_is_thinned(workspace):
    record = '{"stage": "a", "step": 1, "total": 2, "left": 3.0, "time": 0}\n'
    make(workspace, "20260101-000000000-aaaa", spec_json="{}", progress_jsonl=record * 5000)
    thinned = jobs.progress_of(workspace, "20260101-000000000-aaaa")
    assert 1000 < len(thinned) <= 2000


def test_redrawn_lines_show_their_last_state(workspace):
    make(workspace, "1", log="epoch\r\n 10%\r 50%\r100%\nend\n")
    assert jobs.log_tail(workspace, "1") == "epoch\n100%\nend"
    assert jobs.log_tail(workspace, "1", lines=1) == "end"


@pytest.mark.parametrize(("ago", "frozen"), [(5.0, False), (1200.0, True)])
def test_a_clock_put_forward_makes_no_job_silent_and_ends_no_time_left(workspace, ago, frozen):
    record = {"stage": "a", "step": 1, "total": 2, "left": 60.0}
    line = {**record, "time": time.time() - 7200, "clock": time.monotonic() - ago}
    worker = {"pgid": 1, "supervisor": 1, "started": "2026-01-01T00:00:00+00:00"}
    make(workspace, "1", progress_jsonl=json.dumps(line) + "\n", worker_json=json.dumps(worker))
    folder = workspace.root / "jobs" / "1"
    for file in folder.iterdir():
        os.utime(file, (line["time"], line["time"]))
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        job = jobs.status(workspace, "1")
    assert job.state == "running"
    assert ("not responding" in job.message) == frozen
    assert (job.seconds_left is None) == frozen, "nobody knows when a frozen one is done"


@pytest.mark.parametrize(
    ("began", "ended", "by", "took"),
    [
        (10.0, 25.0, 0, 15),
        (10.0, 25.0, -3600, 15),
        (10.0, 25.0, 3600, 15),
        (None, None, 15, 15),
        (None, None, -3600, None),
        (900.0, 25.0, 15, 15),
    ],
    ids=["as it is", "put back", "put forward", "early job", "early, put back", "restarted"],
)
def test_how_long_a_job_took_is_never_negative(began, ended, by, took):
    """`by` seconds lie between start and end by the time of day."""
    start = dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC)
    worker = {"started": start.isoformat()} | ({"clock": began} if began else {})
    how = {"state": "done"} | ({"clock": ended} if ended else {})
    end = (start + dt.timedelta(seconds=by)).isoformat()
    assert files.took(worker, how, end) == took
