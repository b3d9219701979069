"""The short form of each campaign."""

import json
import pathlib
import subprocess
import sys

from tests.campaigns import clocks, command_lines


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


def test_jobs_and_artifacts_stay_in_order_whatever_the_clock_does(tmp_path):
    assert clocks.campaign(30, folder=tmp_path)["wrong"] == []
