"""The short form of each campaign."""

import contextlib
import errno
import json
import os
import pathlib
import subprocess
import sys

import pytest

from core.workspace.store import Workspace
from tests.campaigns import clocks, command_lines, races
from tests.campaigns.failing_disk import Disk, possible, watched
from tests.summaries import whole


def test_two_processes_stopped_twice_leave_whole_checkpoints():
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaigns.stops", "2", "16"],
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["whole"] == found["stops"] == 2
    assert found["exact"] == found["runs"] >= 1


def test_bad_command_lines_are_refused_in_one_sentence_and_leave_nothing():
    found = command_lines.campaign(500)
    assert (found["wrong"], found["tried"]) == ({}, 500)


def test_of_many_who_work_at_the_same_runs_and_jobs_nobody_is_in_the_way(tmp_path):
    found = races.campaign(5, processes=3, folder=tmp_path)
    assert found["wrong"] == []
    assert found["done"] > 50


def test_jobs_and_artifacts_stay_in_order_whatever_the_clock_does(tmp_path):
    assert clocks.campaign(30, folder=tmp_path)["wrong"] == []


def seal_one(root: pathlib.Path) -> int:
    """Make and seal an artifact; return 2 where the disk was full."""
    try:
        draft = Workspace(root).draft("selection", name="a", config={}, parents={})
        (draft.path / "table").write_bytes(b"rows")
        draft.seal(whole("selection"))
    except OSError as e:
        return 2 if e.errno == errno.ENOSPC else 1
    return 0


@pytest.mark.skipif(not possible(), reason="the kernel hands no system calls over here")
def test_a_full_disk_at_any_write_of_a_draft_seals_nothing_that_is_not_whole(tmp_path):
    codes, calls, n = [], [], 0
    while n <= len(calls):
        root = tmp_path / f"{n}"
        root.mkdir()
        disk = Disk(root, n)
        child = os.fork()
        if not child:
            code = 3
            with contextlib.suppress(BaseException):
                disk.ours.close()
                watched(disk.theirs)
                disk.theirs.close()
                code = seal_one(root)
            os._exit(code)
        disk.serve(lambda child=child: False, 60.0)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        calls = disk.calls if n == 0 else calls
        entries = Workspace(root).entries()
        assert {e.state for e in entries} <= {"sealed", "unfinished"}, calls[n - 1]
        assert [
            p for e in entries if e.state == "sealed" for p in Workspace(root).verify(e.id)
        ] == []
        n += 1
    assert codes == [0] + [2] * len(calls)
    assert {call.partition(" ")[0] for call in calls} == {
        "mkdir",
        "create",
        "write",
        "fsync",
        "rename",
    }
