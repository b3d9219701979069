"""A job's word on how it ended finds its place on a full disk."""

import errno

import pytest

from core.jobs import files
from core.jobs.files import ROOM, load_outcome, outcome, reserve, write_outcome
from core.jobs.record import load


@pytest.fixture
def full(tmp_path, monkeypatch):
    """Return the folder of a job on a disk that is full but for what was reserved."""
    write = files.write_json

    def no_room(path, value):
        if (tmp_path / ROOM).exists() or path.name != "status.json":
            raise OSError(errno.ENOSPC, "No space left on device", f"{path}")
        write(path, value)

    reserve(tmp_path)
    monkeypatch.setattr(files, "write_json", no_room)
    return tmp_path


def test_how_a_job_ended_is_written_in_the_place_that_was_reserved(full):
    write_outcome(full, outcome("failed", message="the disk is full", failure="disk-full"))
    assert load_outcome(full)["failure"] == "disk-full"
    assert not (full / ROOM).exists()


def test_what_was_reserved_is_given_back(tmp_path):
    reserve(tmp_path)
    write_outcome(tmp_path, outcome("done", result="x"))
    assert [p.name for p in tmp_path.iterdir()] == ["status.json"]


def test_another_error_is_not_taken_for_a_full_disk(full, monkeypatch):
    def refused(path, value):
        raise PermissionError(errno.EACCES, "no right")

    monkeypatch.setattr(files, "write_json", refused)
    with pytest.raises(PermissionError):
        write_outcome(full, outcome("done"))
    assert (full / ROOM).exists()


def test_a_job_that_could_say_nothing_on_a_full_disk_is_lost_and_the_disk_is_named(
    tmp_path, monkeypatch
):
    (tmp_path / "lock").touch()
    assert load(tmp_path).failure == "lost-process"
    monkeypatch.setattr("core.jobs.record.PAGE", 1 << 62)
    job = load(tmp_path)
    assert (job.state, job.failure) == ("lost", "disk-full")
    assert job.message.startswith("the disk is full")
