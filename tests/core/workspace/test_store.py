import contextlib
import errno
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import pytest

from core.__main__ import main
from core.errors import InputError
from core.workspace import artifact, files, manifest, store
from core.workspace import draft as drafts
from core.workspace.store import Workspace
from tests.summaries import whole


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "workspace")


def make(workspace, kind="dataset", parents=None, **more):
    draft = workspace.draft(kind, name="a name", config={"k": 1}, parents=parents or {}, **more)
    (draft.path / "part").mkdir()
    (draft.path / "part" / "data.bin").write_bytes(b"abc")
    return draft


def sealed(workspace, kind="dataset", parents=None, **more):
    return make(workspace, kind, parents, **more).seal(whole(kind, rows=3))


def states(workspace):
    return {e.id: e.state for e in workspace.entries()}


def test_a_sealed_artifact_opens_with_what_was_put_in(workspace):
    made = sealed(workspace, fingerprint="f")
    again = workspace.open(made.id, "dataset")
    assert again == made
    assert (again.kind, again.name, again.config, again.summary) == (
        "dataset",
        "a name",
        {"k": 1},
        whole("dataset", rows=3),
    )
    assert again.manifest["schema"] == 1
    assert set(again.manifest["files"]) == {"part/data.bin"}
    assert {"python", "torch"} <= set(again.manifest["versions"])
    assert {p.name for p in made.path.iterdir()} == {"part", "manifest.json"}
    assert workspace.verify(made.id) == []
    assert workspace.same("dataset", "f").id == made.id
    assert workspace.same("dataset", "g") is None


def test_an_id_of_any_length_is_refused_in_a_short_sentence(workspace):
    with pytest.raises(InputError) as refused:
        workspace.open("x" * 200_000)
    assert len(str(refused.value)) < 1000


def test_a_draft_that_was_deleted_is_not_sealed(workspace):
    draft = workspace.draft("dataset", name="x", config={}, parents={})
    shutil.rmtree(draft.path)
    draft.path.mkdir()  # by a writer who comes after it
    (draft.path / "late.txt").write_text("late")
    with pytest.raises(InputError, match="was deleted while it was at work"):
        draft.seal({"rows": 1})
    assert not states(workspace)


def test_what_is_dropped_survives_until_sealed(workspace, monkeypatch):
    draft = make(workspace)
    (draft.path / "checkpoints").mkdir()
    (draft.path / "checkpoints" / "big").write_bytes(b"x")

    def full(path, value):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(drafts, "write_json", full)
        with pytest.raises(OSError, match="No space"):
            draft.seal(whole("dataset"), drop=("checkpoints",))
    assert (draft.path / "checkpoints" / "big").exists()
    made = draft.seal(whole("dataset"), drop=("checkpoints",))
    assert not (made.path / "checkpoints").exists()
    assert set(made.manifest["files"]) == {"part/data.bin"}


def test_killed_between_manifest_and_rename_it_is_unfinished_and_can_be_sealed_again(
    workspace, monkeypatch
):
    draft = make(workspace, fingerprint="f")

    class Killed(BaseException):
        pass

    def killed(self, target):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "rename", killed)
        with pytest.raises(Killed):
            draft.seal(whole("dataset", rows=3))
    (draft.path / ".manifest.json.dead").write_text("a killed writer's")
    draft.lock.close()
    assert states(workspace) == {draft.id: "unfinished"}
    with pytest.raises(ValueError, match="unfinished; resume or delete"):
        workspace.open(draft.id)
    again = workspace.unfinished("dataset", "f")
    (again.path / "part" / "more").write_bytes(b"1234")
    made = again.seal(whole("dataset", rows=4))
    assert set(made.manifest["files"]) == {"part/data.bin", "part/more"}
    assert workspace.verify(made.id) == []


def test_what_was_killed_after_its_manifest_is_finished_and_not_made_again(workspace, monkeypatch):
    draft = make(workspace, fingerprint="f")
    assert sealed(workspace, fingerprint="g")
    draft.lock.close()
    assert workspace.finished("dataset", "f") is None, "there is work left"
    draft = workspace.unfinished("dataset", "f")
    monkeypatch.setattr(draft, "finish_rename", lambda manifest: draft.lock.close())
    (draft.path / "checkpoints").mkdir()
    draft.seal(whole("dataset", rows=3), drop=("checkpoints",))
    made = workspace.finished("dataset", "f")
    assert made.id == draft.id
    assert {p.name for p in made.path.iterdir()} == {"part", "manifest.json"}
    assert workspace.finished("dataset", "f", made.name) == made
    assert workspace.finished("dataset", "f", "another name") is None
    assert workspace.finished("dataset", "h") is None


def test_a_draft_in_work_is_neither_continued_nor_deleted_by_others(workspace, monkeypatch):
    monkeypatch.setattr(store, "DYING", 0.0)
    draft = make(workspace, fingerprint="f")
    for other in (lambda: workspace.unfinished("dataset", "f"), lambda: workspace.delete(draft.id)):
        with pytest.raises(ValueError, match="being worked on"):
            other()
    draft.lock.close()  # as the end of its process does
    workspace.delete(draft.id)
    assert workspace.entries() == []


def test_of_two_equal_runs_at_once_the_second_says_so(workspace, capsys):
    first, _ = make(workspace, fingerprint="f"), make(workspace, fingerprint="other")
    assert capsys.readouterr().err == ""
    second = make(workspace, fingerprint="f")
    assert f"{first.id} is an equal run, at work now; this one, {second.id}" in (
        capsys.readouterr().err
    )
    first.lock.close()
    done = second.seal(whole("dataset", rows=3))
    third = make(workspace, fingerprint="f")
    assert capsys.readouterr().err == (
        f"{done.id} is equal and was made before; this one, {third.id}, makes a second\n"
    )


def test_of_two_that_want_to_be_alone_one_goes_on(workspace):
    first = make(workspace, fingerprint="f", alone=True)
    with pytest.raises(drafts.InUse, match=f"{first.id} is an equal run, at work"):
        make(workspace, fingerprint="f", alone=True)
    assert states(workspace) == {first.id: "unfinished"}
    first.seal(whole("dataset", rows=3))
    with pytest.raises(drafts.InUse, match=f"{first.id} is equal and was made before"):
        make(workspace, fingerprint="f", alone=True)
    assert states(workspace) == {first.id: "sealed"}


def test_of_many_that_begin_at_the_same_moment_one_goes_on(workspace):
    together, made = threading.Barrier(8), []

    def begin():
        together.wait()
        with contextlib.suppress(drafts.InUse):
            made.append(make(workspace, fingerprint="f", alone=True))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert states(workspace) == {made[0].id: "unfinished"}


def test_a_new_run_is_locked_before_anyone_sees_it(workspace, monkeypatch):
    """Else one who resumes, deletes, or only looks, could have its lock first."""
    seen, rename = [], files.rename

    def shown(path, target):
        seen.append((states(workspace), workspace.unfinished("dataset", "f")))
        rename(path, target)
        with pytest.raises(drafts.InUse):
            drafts.lock_draft(target)

    monkeypatch.setattr(drafts, "rename", shown)
    new = make(workspace, fingerprint="f", alone=True)
    assert seen == [({}, None)]
    assert states(workspace) == {new.id: "unfinished"}


@pytest.mark.parametrize("hidden", [".deleted-", ".new-"])
def test_what_comes_or_goes_just_now_is_not_gone_on_with(workspace, hidden):
    draft = make(workspace, fingerprint="f")
    draft.lock.close()
    draft.path.rename(draft.path.with_name(hidden + draft.path.name))
    assert workspace.unfinished("dataset", "f") is None
    assert workspace.finished("dataset", "f") is None
    with drafts.lock_draft(draft.path.with_name(hidden + draft.path.name)):
        assert make(workspace, fingerprint="f", alone=True).id in states(workspace)


@pytest.mark.parametrize("step", ["delete", "begin"])
def test_who_only_looks_at_a_run_keeps_nobody_from_deleting_or_beginning(
    workspace, monkeypatch, step
):
    draft = make(workspace, fingerprint="f")
    looks = draft.lock
    monkeypatch.setattr(drafts.time, "sleep", lambda seconds: looks.close())
    if step == "delete":
        workspace.delete(draft.id)
        assert not states(workspace)
    else:
        make(workspace, fingerprint="f", alone=True)


def test_nobody_goes_on_with_what_is_being_deleted(workspace, monkeypatch):
    draft = make(workspace, fingerprint="f")
    draft.lock.close()
    remove = store.remove

    def tried(path):
        with pytest.raises(drafts.InUse):
            drafts.lock_draft(path)
        remove(path)

    monkeypatch.setattr(store, "remove", tried)
    workspace.delete(draft.id)
    assert not states(workspace)


def test_of_two_that_delete_the_same_the_second_is_told(workspace, monkeypatch):
    made, remove = sealed(workspace), store.remove

    def first_another(path):
        monkeypatch.setattr(store, "remove", remove)
        workspace.delete(made.id)
        remove(path)

    monkeypatch.setattr(store, "remove", first_another)
    with pytest.raises(InputError, match="ended just now; look again"):
        workspace.delete(made.id)


@pytest.mark.parametrize("way", ["delete", "seal", "discard"])
def test_what_ends_while_it_is_listed_is_not_called_damaged(workspace, monkeypatch, way):
    begun = make(workspace)
    if way == "delete":
        begun.seal(whole("dataset", rows=3))
    entry = store.entry

    def ends_first(kind, path):
        monkeypatch.setattr(store, "entry", entry)
        {
            "delete": lambda: workspace.delete(begun.id),
            "seal": lambda: begun.seal(whole("dataset", rows=3)),
            "discard": begun.discard,
        }[way]()
        return entry(kind, path)

    monkeypatch.setattr(store, "entry", ends_first)
    assert states(workspace) == ({begun.id: "sealed"} if way == "seal" else {})


def test_a_run_that_was_killed_a_moment_ago_is_waited_for(workspace):
    dying = workspace.draft("dataset", name="a", config={}, parents={}, fingerprint="f")
    threading.Timer(0.3, dying.lock.close).start()
    assert workspace.unfinished("dataset", "f").id == dying.id


def at_the_end_of(draft, way):
    """End a draft 0.3 s from now, as another process that works on it does."""
    threading.Timer(0.3, way, [draft]).start()


@pytest.mark.parametrize("look", ["finished", "unfinished"])
def test_a_run_that_is_sealed_while_it_is_waited_for_is_not_begun_again(workspace, look):
    draft = make(workspace, fingerprint="f")
    at_the_end_of(draft, lambda d: d.seal(whole("dataset", rows=3)))
    found = getattr(workspace, look)("dataset", "f")
    assert found == (workspace.open(draft.id) if look == "finished" else None)
    assert states(workspace) == {draft.id: "sealed"}


def test_a_run_that_is_discarded_while_it_is_waited_for_leaves_the_next(workspace):
    older = make(workspace, fingerprint="f")
    newer = make(workspace, fingerprint="f")
    older.lock.close()
    at_the_end_of(newer, lambda d: d.discard())
    assert workspace.unfinished("dataset", "f").id == older.id


@pytest.mark.parametrize("way", ["seal", "discard"])
def test_what_ends_between_opening_and_locking_is_not_locked(workspace, monkeypatch, way):
    draft = make(workspace, fingerprint="f")
    flock = drafts.fcntl.flock

    def ends_first(*args):
        monkeypatch.setattr(drafts.fcntl, "flock", flock)
        draft.seal(whole("dataset", rows=3)) if way == "seal" else draft.discard()
        return flock(*args)

    monkeypatch.setattr(drafts.fcntl, "flock", ends_first)
    with pytest.raises(InputError, match=f"{draft.id} ended just now"):
        workspace.delete(draft.id)
    assert list(states(workspace).values()) == (["sealed"] if way == "seal" else [])


def test_unfinished_finds_the_newest_by_fingerprint_and_name(workspace):
    drafts = [
        workspace.draft("dataset", name=n, config={}, parents={}, fingerprint="f") for n in "ab"
    ]
    for d in drafts:
        d.lock.close()
    assert workspace.unfinished("dataset", "g") is None
    assert workspace.unfinished("dataset", "f", "a").id == drafts[0].id
    assert workspace.unfinished("dataset", "f").id == max(d.id for d in drafts)


def edit(path, **changes):
    facts = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**facts, **changes}))


DAMAGE = {
    "edited": (lambda p: edit(p, summary={"rows": 4}), "edited or truncated"),
    "garbled": (lambda p: edit(p, summary=[1], config="x", parents=None), "edited or truncated"),
    "truncated": (
        lambda p: (p / "manifest.json").write_text((p / "manifest.json").read_text()[:80]),
        "not JSON",
    ),
    "gone": (lambda p: (p / "manifest.json").unlink(), "missing or is not JSON"),
    "shorter": (lambda p: (p / "part" / "data.bin").write_bytes(b"ab"), "has 2 bytes, not 3"),
    "lost": (lambda p: (p / "part" / "data.bin").unlink(), "data.bin is missing"),
    "newer": (lambda p: edit(p, schema=2), r"newer version \(schema 2\)"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_artifact_is_listed_with_a_sentence_and_the_rest_works(workspace, how):
    good, bad = sealed(workspace), sealed(workspace)
    harm, words = DAMAGE[how]
    harm(bad.path)
    with pytest.raises(ValueError, match=words):
        workspace.open(bad.id)
    entry = {e.id: e for e in workspace.entries()}[bad.id]
    assert entry.state == "damaged"
    assert bad.id in entry.problem
    assert workspace.open(good.id) == good
    assert main(["list", "--json", "--workspace", str(workspace.root)]) == 0
    assert main(["show", bad.id, "--workspace", str(workspace.root)]) == 2
    workspace.delete(bad.id)
    assert states(workspace) == {good.id: "sealed"}


def test_verify_finds_a_changed_byte(workspace, capsys):
    made = sealed(workspace)
    assert main(["verify", made.id, "--workspace", str(workspace.root)]) == 0
    (made.path / "part" / "data.bin").write_bytes(b"abd")
    assert workspace.verify(made.id) == ["part/data.bin: content differs from the manifest"]
    assert main(["verify", made.id, "--workspace", str(workspace.root)]) == 2


def test_delete_refuses_while_something_depends_on_it(workspace):
    parent = sealed(workspace)
    child = make(workspace, "trajectories", {"dataset": parent.id})
    with pytest.raises(ValueError, match=f"needed by trajectories {child.id}; delete those first"):
        workspace.delete(parent.id)
    child.lock.close()
    workspace.delete(child.id)
    workspace.delete(parent.id)
    assert workspace.entries() == []
    assert sealed(workspace).ancestor("dataset").kind == "dataset"


def test_what_is_extended_is_kept_and_is_no_ancestor(workspace):
    """Were the new dataset damaged, the old one's must not stand in for it."""
    old, new = sealed(workspace), sealed(workspace)
    first = sealed(workspace, "trajectories", {"dataset": old.id})
    second = sealed(workspace, "trajectories", {"dataset": new.id, "extends": first.id})
    third = sealed(workspace, "trajectories", {"extends": second.id, "dataset": new.id})
    groups = sealed(workspace, "clusters", {"extends": "gone", "trajectories": third.id})
    assert groups.ancestor("trajectories").id == third.id
    assert groups.ancestor("dataset").id == new.id
    assert [a.id for a in third.extended()] == [third.id, second.id, first.id]
    with pytest.raises(ValueError, match=f"needed by trajectories {second.id}"):
        workspace.delete(first.id)
    (new.path / "manifest.json").unlink()
    with pytest.raises(ValueError, match="does not come from a dataset"):
        third.ancestor("dataset")


def test_ids_sort_by_age_and_are_never_given_twice(workspace, monkeypatch):
    made = [sealed(workspace).id for _ in range(5)]
    assert made == sorted(made)
    assert [e.id for e in workspace.entries()] == sorted(made, reverse=True)
    tokens = iter(["same", "same", "else"])
    monkeypatch.setattr(drafts, "new_id", lambda *_: next(tokens))
    assert workspace.draft("dataset", name="", config={}, parents={}).id == "same"
    assert workspace.draft("dataset", name="", config={}, parents={}).id == "else"


@pytest.mark.parametrize(
    "wanted", ["", "..", "../x", "a/b", "nothing", "a.partial", "\uff12\uff10", "a\n"]
)
def test_an_id_that_is_none_is_refused(workspace, wanted):
    with pytest.raises(ValueError, match="no artifact"):
        workspace.find(wanted)


def test_ancestors_and_wrong_kinds(workspace):
    data = sealed(workspace)
    paths = sealed(workspace, "trajectories", {"dataset": data.id})
    assert paths.ancestor("dataset").id == data.id
    with pytest.raises(ValueError, match="does not come from a clusters"):
        paths.ancestor("clusters")
    with pytest.raises(ValueError, match="is a trajectories, not a dataset"):
        workspace.open(paths.id, "dataset")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch, capsys, number):
    file = tmp_path / "a.csv"
    file.write_text("question,answer\na,b\n")

    def refuse(self, *args, **kwargs):
        raise OSError(number, "Read-only file system", str(self))

    monkeypatch.setattr(pathlib.Path, "mkdir", refuse)
    code = main(["dataset", "--path", str(file), "--workspace", str(tmp_path / "w")])
    said = capsys.readouterr()
    assert code == 2
    assert len(said.err.splitlines()) == 1
    assert "--workspace" in said.err
    assert said.out == ""


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_sealed(tmp_path):
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to mount a small disk")
    try:
        file = tmp_path / "a.jsonl"
        with file.open("w") as f:
            for i in range(3000):
                f.write(
                    json.dumps({"question": f"{i * 7919 % 10007} {i}", "answer": str(i)}) + "\n"
                )
        argv = ["dataset", "--path", str(file), "--holdout", "0", "--workspace", str(place)]
        done = subprocess.run(
            [sys.executable, "-m", "core", *argv], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert "the disk is full" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
        assert [e for e in Workspace(place).entries() if e.state == "sealed"] == []
    finally:
        subprocess.run(["umount", str(place)], check=False)


@pytest.fixture
def reads(monkeypatch):
    """Return the names of the directories whose manifest or run.json was read since."""
    seen, read = [], files.read_json

    def reading(path):
        seen.append(path.parent.name)
        return read(path)

    monkeypatch.setattr(manifest, "read_json", reading)
    monkeypatch.setattr(artifact, "read_json", reading)
    return seen


def test_a_listing_reads_again_only_what_changed(workspace, reads, monkeypatch):
    monkeypatch.setattr(files, "SETTLED", 0.05)
    one, two = sealed(workspace), sealed(workspace)
    draft = make(workspace)
    time.sleep(0.1)
    workspace.entries()
    del reads[:]
    assert states(workspace) == {one.id: "sealed", two.id: "sealed", draft.id: "unfinished"}
    assert workspace.open(one.id).manifest == one.manifest
    assert reads == []
    three = sealed(workspace)
    workspace.delete(two.id)
    del reads[:]
    assert set(states(workspace)) == {one.id, three.id, draft.id}
    assert set(reads) == {three.id}
    draft.seal(whole("dataset"))
    assert states(workspace)[draft.id] == "sealed"


@pytest.mark.parametrize("settled", [0.0, 10.0], ids=["kept", "too young to be kept"])
def test_a_listing_is_never_older_than_the_disk(workspace, monkeypatch, settled):
    monkeypatch.setattr(files, "SETTLED", settled)
    made = sealed(workspace)
    path, data = made.path / "manifest.json", made.path / "part" / "data.bin"
    text = path.read_text()
    assert states(workspace) == {made.id: "sealed"}
    path.write_text(text[:50])
    assert states(workspace) == {made.id: "damaged"}
    path.write_text(text)
    assert states(workspace) == {made.id: "sealed"}
    data.write_bytes(b"ab")
    assert "has 2 bytes, not 3" in workspace.entries()[0].problem
    data.unlink()
    assert "part/data.bin is missing" in workspace.entries()[0].problem
    data.write_bytes(b"abc")
    assert states(workspace) == {made.id: "sealed"}
    made.path.rename(made.path.with_name("other"))
    assert states(workspace) == {"other": "sealed"}


def test_two_changes_within_a_tick_of_the_clock_are_both_seen(workspace):
    made = sealed(workspace)
    path = made.path / "manifest.json"
    text, stat = path.read_text(), path.stat()
    assert states(workspace) == {made.id: "sealed"}
    path.write_text(text.replace("a name", "b name"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # same size, same time, same inode
    assert states(workspace) == {made.id: "damaged"}


def test_what_was_made_from_something_is_told_without_opening(workspace, monkeypatch):
    data, other = sealed(workspace), sealed(workspace)
    paths = [sealed(workspace, "trajectories", {"dataset": d.id}) for d in (data, other)]
    groups = [sealed(workspace, "clusters", {"trajectories": p.id}) for p in paths]
    plain = sealed(workspace, "selection", {"dataset": data.id})
    chosen = [sealed(workspace, "selection", {"clusters": g.id}) for g in groups]
    larger = {"clusters": groups[1].id, "matches": plain.id}
    chosen.append(sealed(workspace, "selection", larger))
    monkeypatch.setattr(store, "load", None)
    found = [e.id for e in workspace.made_from(data.id, "selection")]
    assert found == sorted([plain.id, chosen[0].id], reverse=True)
    found = [e.id for e in workspace.made_from(groups[1].id, "selection")]
    assert found == sorted([chosen[1].id, chosen[2].id], reverse=True)
    (groups[0].path / "part" / "data.bin").unlink()  # damaged, and so is what comes from it
    assert [e.id for e in workspace.made_from(data.id, "selection")] == [plain.id]
    assert workspace.made_from(data.id, "finetune") == []


def test_a_draft_that_a_full_disk_keeps_from_beginning_leaves_nothing(workspace, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "fsync", full)  # of the folder, when run.json stands in it
    with pytest.raises(OSError, match="No space left on device"):
        workspace.draft("dataset", name="", config={}, parents={})
    assert list((workspace.root / "dataset").iterdir()) == []
