"""Jobs that have ended are looked at once."""

import pytest

from core import jobs
from core.errors import InputError
from core.jobs import listing, queue
from tests.core.jobs.test_record import make


def test_ended_jobs_are_looked_at_once_however_often_they_are_listed(workspace, monkeypatch):
    for n in range(20):
        make(
            workspace,
            f"20260101-000000{n:03d}-aaaa",
            spec_json="{}",
            status_json='{"state": "done"}',
        )
    make(workspace, "20260101-000000999-aaaa", spec_json="{}", log="")  # lost, without a word
    looked = []
    load = listing.load
    monkeypatch.setattr(listing, "RECHECK", 3600.0)
    monkeypatch.setattr(listing, "load", lambda p: looked.append(p.name) or load(p))
    assert len(jobs.jobs(workspace)) == len(looked) == 21
    looked.clear()
    assert len(jobs.jobs(workspace)) == 21
    assert jobs.active(workspace) == []
    assert looked == ["20260101-000000999-aaaa"] * 2
    monkeypatch.setattr(listing, "_SEEN", {})
    assert jobs.jobs(workspace)[-1].state == "done"
    assert len(looked) == 2 + 21


def test_a_job_whose_record_is_deleted_while_jobs_are_listed_is_not_there(workspace, monkeypatch):
    kept, gone = (f"20260101-00000000{n}-aaaa" for n in range(2))
    for id in (kept, gone):
        make(workspace, id, spec_json="{}", status_json='{"state": "done"}')
    names, load = listing.names, queue.load
    monkeypatch.setattr(listing, "names", lambda f: [*names(f), "20260101-000000002-aaaa"])
    assert [j.id for j in jobs.jobs(workspace)] == [gone, kept]

    def deleted_first(folder):
        monkeypatch.setattr(queue, "load", load)
        jobs.forget(workspace, folder.name)
        return load(folder)

    monkeypatch.setattr(queue, "load", deleted_first)
    with pytest.raises(InputError, match="no job"):
        jobs.status(workspace, gone)


def test_of_two_that_delete_the_same_record_the_second_is_told(workspace, monkeypatch):
    make(workspace, "20260101-000000000-aaaa", spec_json="{}", status_json='{"state": "done"}')
    lock_submit = queue.lock_submit

    def first_another(folder):
        monkeypatch.setattr(queue, "lock_submit", lock_submit)
        jobs.forget(workspace, "20260101-000000000-aaaa")
        return lock_submit(folder)

    monkeypatch.setattr(queue, "lock_submit", first_another)
    with pytest.raises(InputError, match="no job"):
        jobs.forget(workspace, "20260101-000000000-aaaa")


def test_a_job_whose_record_is_deleted_as_it_is_stopped_is_no_error(workspace, monkeypatch):
    folder = make(workspace, "20260101-000000000-aaaa", spec_json="{}")
    running = jobs.status(workspace, folder.name)

    def deleted_first(folder):
        jobs.forget(workspace, folder.name)
        return running.__class__(**{**vars(running), "state": "running"})

    with monkeypatch.context() as patch:
        load = queue.load

        def once(at):
            patch.setattr(queue, "load", load)
            return deleted_first(at)

        patch.setattr(queue, "load", once)
        jobs.stop(workspace, folder.name)
    assert not folder.exists()
