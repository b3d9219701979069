"""A process that waits for its one order, which it may never get."""

import pytest

from core.jobs.progress import JOB_VARIABLE
from core.jobs.warm_process import WarmProcess


@pytest.fixture
def start():
    """Return a function that starts one; what is left over is ended."""
    begun = []

    def begin(*args: str) -> WarmProcess:
        begun.append(WarmProcess(*args))
        return begun[-1]

    yield begin
    for process in begun:
        process.close()


def test_an_order_is_carried_out_or_not(start):
    assert start("json.tool").send({"k": [1, "two"]})  # reads one object from its stdin
    assert not start("json.tool", "/nowhere.json").send({})


def test_it_does_not_report_to_its_parents_job(start, monkeypatch, tmp_path):
    monkeypatch.setenv(JOB_VARIABLE, str(tmp_path))
    alone = f"import os; assert {JOB_VARIABLE!r} not in os.environ"
    assert start("timeit", "-n1", "-r1", alone).send({})


def test_one_that_is_not_used_ends_when_told_twice_too(start):
    waiting = start("json.tool")
    waiting.close()
    assert waiting.process.returncode != 0
    waiting.close()
