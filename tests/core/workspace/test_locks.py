"""Locks that somebody never lets go of are said, and so are file systems that do not keep them."""

import fcntl
import os
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import edits, jobs
from core.__main__ import main
from core.errors import InputError
from core.workspace import draft, files, locks

LINE = "36 35 98:0 / {at} rw,noatime shared:1 - {type} {source} rw\n"


def mounted(monkeypatch, tmp_path, *mounts):
    table = tmp_path / "mountinfo"
    lines = [
        LINE.format(at=str(at).replace(" ", "\\040"), type=kind, source="server:/home")
        for at, kind in mounts
    ]
    table.write_text("".join(lines))
    monkeypatch.setattr(locks, "MOUNTS", table)


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "lustre", "fuse.sshfs", "9p"])
def test_a_network_file_system_is_said(monkeypatch, tmp_path, kind):
    at = tmp_path / "my home"
    mounted(monkeypatch, tmp_path, ("/", "ext4"), (at, kind), (f"{at}x", "ext4"))
    assert locks.mount_of(at / "not" / "there") == (str(at), kind)
    assert f"a network file system ({kind})" in locks.network_problem(at / "workspace")
    assert not locks.network_problem(tmp_path / "my homex")
    assert not locks.network_problem(tmp_path)


def test_a_local_disk_below_or_over_a_network_one_is_none(monkeypatch, tmp_path):
    at = tmp_path / "w"
    at.mkdir()
    (tmp_path / "link").symlink_to(at)
    mounted(monkeypatch, tmp_path, ("/", "nfs4"), (at, "nfs4"), (at, "xfs"))
    assert not locks.network_problem(tmp_path / "link" / "x")
    mounted(monkeypatch, tmp_path, ("/", "nfs4"), (at, "fuse.ext4"))
    assert not locks.network_problem(at)
    monkeypatch.setattr(locks, "MOUNTS", tmp_path / "none")
    assert not locks.network_problem(at)


@given(st.text(max_size=80))
def test_any_table_of_mounts_is_read(tmp_path_factory, text):
    table = tmp_path_factory.getbasetemp() / "any"
    table.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks, "MOUNTS", table)
        assert locks.network_problem(table) == ""


def test_a_command_that_starts_work_on_one_says_so(monkeypatch, tmp_path, capsys):
    mounted(monkeypatch, tmp_path, (tmp_path, "nfs4"))
    where = ["--workspace", str(tmp_path / "w")]
    assert main(["dataset", "--path", str(tmp_path / "none.csv"), *where]) == 2
    assert "warning:" in (said := capsys.readouterr().err)
    assert "network file system (nfs4)" in said
    assert main(["list", *where]) == 0
    assert "warning" not in capsys.readouterr().err


def test_a_lock_that_is_never_freed_ends_with_a_sentence(monkeypatch, bare, finished):
    monkeypatch.setattr(locks.lock_within, "__defaults__", (0.05,))
    (bare.root / "jobs").mkdir(parents=True)
    log = finished.root / "edits" / f"{finished.dataset}.jsonl"
    edits.pin(finished.workspace, finished.dataset, [2])
    for path, ask in (
        (bare.root / "jobs" / ".submit.lock", lambda: jobs.submit(bare, ["list"], title="t")),
        (log, lambda: edits.pin(finished.workspace, finished.dataset, [3])),
    ):
        with path.open("a") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(InputError, match=rf"has held .*{path.name} for 0.05 s") as e:
                ask()
            if locks.HELD.exists():
                assert f"({os.getpid()})" in str(e.value)
    assert list((bare.root / "jobs").iterdir()) == [bare.root / "jobs" / ".submit.lock"]
    with draft.locked(bare.root), pytest.raises(InputError, match=r"has held .* for 0.05 s"):
        draft.locked(bare.root).__enter__()
    edits.pin(finished.workspace, finished.dataset, [3])


def test_a_rename_is_on_the_disk_when_it_returns(monkeypatch, tmp_path):
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.append(str(pathlib.Path(f"/proc/self/fd/{fd}").readlink()))
    )
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "f").write_text("x")
    files.rename(tmp_path / "a" / "f", tmp_path / "b" / "f")
    assert synced == [str(tmp_path / "b"), str(tmp_path / "a")]
    synced.clear()
    files.write_json(tmp_path / "b" / "j", {})
    assert synced[-1] == str(tmp_path / "b")
    assert len(synced) == 2
