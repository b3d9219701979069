"""The chat's process: streams, can be left, ends with whoever started it. Nothing here is a mock."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from core.chat import Sampling, Talker, base_of, busy
from core.errors import InputError
from core.jobs.record import lock_file
from core.workspace.files import ROOT, write_json
from tests.core.jobs.conftest import gone

TALK = [{"role": "user", "content": "Sum of 1 and 2?"}]
SERVER = """
import sys
from core.chat import Sampling, Talker
from core.workspace.store import Workspace
talker = Talker(Workspace(sys.argv[1]))
long = Sampling(tokens=4096, temperature=1.0)
while True:
    for event in talker.ask(sys.argv[2], [{"role": "user", "content": "Count."}], long):
        if event.kind == "text":
            print(talker.pid, flush=True)
"""


def until(condition, seconds=120.0):
    """Wait for a condition, not for a time; fail loudly where it never comes."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def talker(spoken):
    one = Talker(spoken.workspace)
    yield one
    one.close()


def test_it_streams_is_left_and_goes_on_with_the_next(runs, talker):
    short = Sampling(tokens=6)
    events = list(talker.ask(runs.one.id, TALK, short))
    first = talker.pid
    kinds = [e.kind for e in events if e.kind != "wait"]
    assert kinds[0] == "load"
    assert kinds[-1] == "end"
    end = events[-1].facts
    assert "".join(e.facts["text"] for e in events if e.kind == "text").startswith(end["text"])
    asked = talker.ask(runs.one.id, TALK, Sampling(tokens=4_096, temperature=1.0))
    while next(asked).kind != "text":
        pass
    with pytest.raises(InputError, match="another answer is being written"):
        next(talker.ask(runs.two.id, TALK, short))
    asked.close()  # as a page that is opened anew does
    again = [e for e in talker.ask(base_of(runs.one), TALK, short) if e.kind != "wait"]
    assert "load" not in [e.kind for e in again], "the base was there already"
    assert talker.pid == first
    with pytest.raises(InputError, match="no artifact 'nobody'"):
        list(talker.ask("nobody", TALK, short))
    os.kill(first, signal.SIGKILL)
    until(lambda: talker.pid == 0)
    assert [e.kind for e in talker.ask(runs.one.id, TALK, short)][-1] == "end"
    assert talker.pid not in (0, first)


def test_it_ends_when_nobody_asks(runs, spoken):
    talker = Talker(spoken.workspace, idle=0.2)
    assert [e.kind for e in talker.ask(runs.one.id, TALK, Sampling(tokens=2))][-1] == "end"
    until(lambda: talker.pid == 0)


def test_a_server_that_is_killed_while_it_streams_leaves_no_process(runs, spoken):
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(spoken.root), runs.one.id],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        worker = int(server.stdout.readline())
        assert not gone(worker)
        server.kill()
        server.wait()
        until(lambda: gone(worker))
    finally:
        server.kill()
        server.stdout.close()


def test_a_job_that_begins_takes_the_memory_back(runs, spoken, talker):
    assert [e.kind for e in talker.ask(runs.one.id, TALK, Sampling(tokens=2))][-1] == "end"
    assert busy(spoken.workspace) == []
    job = spoken.root / "jobs" / "20990101-000000000-aaaa"
    job.mkdir(parents=True)
    write_json(job / "spec.json", {"id": job.name, "argv": [], "title": "a run", "device": "cpu"})
    write_json(job / "worker.json", {"pgid": 0, "started": "2099-01-01T00:00:00+00:00"})
    held = lock_file(job / "lock")
    try:
        assert [j.title for j in busy(spoken.workspace)] == ["a run"]
        until(lambda: talker.pid == 0)
    finally:
        os.close(held)
        shutil.rmtree(job)
