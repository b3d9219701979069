"""Jobs that have ended are looked at once."""

from core import jobs
from core.jobs import listing
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
