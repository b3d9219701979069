"""The order of waiting jobs."""

import os

import pytest

from core import jobs
from core.errors import InputError
from core.jobs.record import ACTIVE
from tests.core.jobs.conftest import spawn, until
from tests.core.jobs.test_devices import lock_file_of


def test_waiting_jobs_are_put_in_order(workspace):
    held = lock_file_of(workspace, "cpu")
    stamp = 'append_jsonl(job.parent / "stamps.jsonl", {"job": job.name}); finish()#'
    ids = [spawn(workspace, stamp + str(n)) for n in range(3)]
    jobs.move(workspace, ids[2], 2)
    assert [j.id for j in jobs.waiting(workspace, "cpu")] == [ids[2], ids[0], ids[1]]
    jobs.move(workspace, ids[0], -1)
    late = spawn(workspace, stamp + "late")
    line = [ids[2], ids[1], ids[0], late]
    assert [j.id for j in jobs.waiting(workspace, "cpu")] == line, "a new one comes last"
    assert [jobs.status(workspace, id).ahead for id in line] == [0, 1, 2, 3]
    os.close(held)
    until(lambda: not any(j.state in ACTIVE for j in jobs.jobs(workspace)), 60)
    stamps = (workspace.root / "jobs" / "stamps.jsonl").read_text().splitlines()
    assert [s.split('"')[3] for s in stamps] == line
    with pytest.raises(InputError, match="does not wait any more"):
        jobs.move(workspace, late, 1)
