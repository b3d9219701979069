"""What somebody, or a broken disk, wrote in the place of our files never breaks the rest.

Every way of damage is tried on every kind of file: what can be read is shown, what cannot is said.
"""

import base64
import json
import os
import shutil
import typing
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import edits, jobs
from core.commands import ListSettings, list_
from core.edits.state import OPS
from core.errors import InputError
from core.jobs.record import load
from core.workspace import manifest, shape
from core.workspace.files import write_json
from core.workspace.store import Workspace
from tests.core.edits.conftest import Place
from tests.summaries import whole

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 10**400, 2**63, 1.5, float("nan"), float("inf"), -1e308]),
    st.sampled_from(["", "x", "../../etc", "\ud800", "2026-13-77", "a" * 5000, "\0"]),
    st.sampled_from([[], {}, [[]], {"": {}}, [1, "a"], {"a": [None]}]),
)
BYTES = st.one_of(
    st.sampled_from(
        [b"", b"null", b"[]", b"{}", b"\xff\xfe", b'{"a": "\xc3', b"[" * 99_999, b"9" * 9_999]
    ),
    st.just(b'{"a":' * 800 + b"1" + b"}" * 800),
    st.binary(max_size=40),
)

MANIFEST = "manifest.json"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("edits"), 300)


def signed(path, **changes):
    """Write a manifest anew: its hash is right, whatever it says."""
    facts = json.loads((path / MANIFEST).read_text())
    facts = {k: v for k, v in (facts | changes).items() if k != "self_sha256" and v is not ...}
    facts["self_sha256"] = manifest._self_hash(facts)
    write_json(path / MANIFEST, facts)


def listed(workspace):
    return {e.id: e for e in workspace.entries()}


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Return a workspace of three artifacts, each made from the one before, and the last's."""
    workspace = Workspace(tmp_path_factory.mktemp("three"))
    parents = {}
    made = []
    for _ in range(3):
        draft = workspace.draft("layout", name="n", config={"k": 1}, parents=parents)
        (draft.path / "xy.npy").write_bytes(b"abc")
        made.append(draft.seal(whole("layout", rows=3, placed=3)))
        parents = {"extends": made[-1].id, "layout": made[-1].id}
    return workspace, made


def check(workspace, made, *, sealed):
    """Check that the last artifact is said to be damaged, or is not, and that the others work."""
    first, second, last = made
    entries = listed(workspace)
    assert [entries[a.id].state for a in (first, second)] == ["sealed", "sealed"]
    assert list_(workspace, ListSettings()).count("\n") >= 2
    assert len(workspace.made_from(first.id, "layout")) >= 2
    assert workspace.children(first.id)
    entry = entries[last.id]
    if sealed:
        assert entry.state == "sealed", entry.problem
        assert workspace.open(last.id).extended()
    else:
        assert entry.state == "damaged"
        assert entry.problem.startswith((last.id, "2"))
        with pytest.raises(InputError, match=last.id):
            workspace.open(last.id)


@pytest.fixture(autouse=True, scope="module")
def never_settled():
    """Keep nothing that was read: files change faster here than clocks of file systems tick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.workspace.files.SETTLED", 1e12)
        yield


@settings(max_examples=30)
@given(content=BYTES)
def test_a_manifest_of_any_content_is_damaged_and_the_rest_works(three, content):
    workspace, made = three
    path = made[2].path / MANIFEST
    before = path.read_bytes()
    try:
        path.write_bytes(content)
        check(workspace, made, sealed=False)
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("what", ["folder", "pipe", "device", "nothing", "circle"])
def test_something_else_in_a_manifests_place_is_damage(three, what):
    workspace, made = three
    path = made[2].path / MANIFEST
    kept = path.rename(path.with_name(".kept"))
    make = {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "nothing": lambda: None,
        "circle": lambda: path.symlink_to(path),
    }
    try:
        make[what]()
        check(workspace, made, sealed=False)
    finally:
        shutil.rmtree(path) if what == "folder" else path.unlink(missing_ok=True)
        kept.rename(path)


KEYS = ["kind", "id", "name", "created", "config", "parents", "fingerprint", "summary", "files"]
TEXTS = ("kind", "id", "name", "created", "fingerprint")


@settings(max_examples=50)
@given(key=st.sampled_from([*KEYS, "seconds"]), value=ODD | st.just(...))
def test_a_manifest_with_any_value_for_a_key_is_right_or_damaged(three, key, value):
    workspace, made = three
    path = made[2].path / MANIFEST
    before = path.read_bytes()
    try:
        signed(made[2].path, **{key: value})
        sealed = listed(workspace)[made[2].id].state == "sealed"
        check(workspace, made, sealed=sealed)
        kinds = {"seconds": (int, float)} | dict.fromkeys(TEXTS, (str,))
        assert not sealed or isinstance(value, kinds.get(key, (dict,)))
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_artifacts_made_from_each_other_are_damage_and_the_rest_works(three, length):
    workspace, made = three
    one = workspace.draft("layout", name="n", config={}, parents={}).seal(whole("layout"))
    circle = [one]
    for _ in range(length - 1):
        parents = {"extends": circle[-1].id, "layout": circle[-1].id}
        circle.append(
            workspace.draft("layout", name="n", config={}, parents=parents).seal(whole("layout"))
        )
    try:
        signed(one.path, parents={"extends": circle[-1].id, "layout": circle[-1].id})
        entries = listed(workspace)
        assert entries[one.id].problem.endswith("it is said to be made from itself")
        for member in circle:
            with pytest.raises(InputError, match="made from itself"):
                workspace.open(member.id).extended()
            workspace.made_from(member.id, "layout")
            with pytest.raises(InputError):
                workspace.open(member.id).ancestor("dataset")
        check(workspace, made, sealed=True)
    finally:
        for member in circle:
            shutil.rmtree(member.path)


def test_a_parent_that_a_clock_put_back_made_younger_is_no_damage(three):
    workspace, made = three
    young = workspace.draft("layout", name="n", config={}, parents={}).seal(whole("layout"))
    try:
        signed(made[0].path, parents={"extends": young.id})
        assert {e.state for e in workspace.entries()} == {"sealed"}
        assert workspace.open(made[2].id).extended()[-1].id == young.id
    finally:
        signed(made[0].path, parents={})
        shutil.rmtree(young.path)


@settings(max_examples=50)
@given(key=st.sampled_from(KEYS[:-2]), value=ODD | st.just(...), content=st.none() | BYTES)
def test_an_unfinished_run_of_any_content_is_listed_and_can_be_deleted(three, key, value, content):
    workspace, made = three
    draft = workspace.draft("layout", name="n", config={"k": 1}, parents={}, fingerprint="f")
    draft.lock.close()
    facts = {k: v for k, v in (draft.run | {key: value}).items() if v is not ...}
    write_json(draft.path / "run.json", facts)
    if content is not None:
        (draft.path / "run.json").write_bytes(content)
    entry = listed(workspace)[draft.id]
    assert entry.state == ("damaged" if entry.problem else "unfinished")
    try:
        found = workspace.unfinished("layout", "f")
        if found:
            found.lock.close()
            assert entry.state == "unfinished"
        check(workspace, made, sealed=True)
    finally:
        workspace.delete(draft.id)
    assert draft.id not in listed(workspace)


@settings(max_examples=20)
@given(value=ODD)
def test_a_summary_whose_number_is_none_is_damage(three, value):
    workspace, made = three
    path = made[2].path / MANIFEST
    before = path.read_bytes()
    try:
        signed(made[2].path, summary=whole("layout", fitted_on=value))
        right = type(value) is int and abs(value) < 2**63
        check(workspace, made, sealed=right)
    finally:
        path.write_bytes(before)


JOB_FILES = ("spec.json", "worker.json", "status.json", "progress.jsonl", "place.json", "log")
JOB_KEYS = ("id", "argv", "created", "title", "device", "key", "user", "state", "fix", "result")
RECORD_KEYS = ("stage", "step", "total", "left", "time", "pgid", "started", "place", "message")


@settings(max_examples=50)
@given(
    name=st.sampled_from(JOB_FILES),
    facts=st.dictionaries(st.sampled_from(JOB_KEYS + RECORD_KEYS), ODD, max_size=9),
    content=st.none() | BYTES,
    live=st.booleans(),
)
def test_a_job_whose_files_say_anything_is_listed(tmp_path_factory, name, facts, content, live):
    workspace = Workspace(tmp_path_factory.getbasetemp() / "any-job")
    folder = workspace.root / "jobs" / "20260101-000000000-abcd"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    good = {"stage": "s", "step": 1, "total": 2, "left": 1.0, "time": 1.0}
    (folder / "progress.jsonl").write_text(json.dumps(good) + "\n")
    write_json(folder / "spec.json", {"argv": ["a"], "title": "t", "device": "cpu"})
    line = json.dumps(facts).encode() if content is None else content
    (folder / name).open("ab" if name.endswith("l") else "wb").write(line + b"\n")
    job = load(folder)
    assert job.state in (*jobs.ACTIVE, *jobs.ENDED)
    assert isinstance(job.step, int)
    assert job in jobs.jobs(workspace)
    assert jobs.status(workspace, job.id) == job
    for record in jobs.recent_progress(workspace, job.id) + jobs.progress_of(workspace, job.id):
        assert record["stage"], record["step"]
    assert isinstance(job.command, str)
    jobs.can_resume(job)
    jobs.log_tail(workspace, job.id)
    jobs.forget(workspace, job.id)


@pytest.mark.parametrize("name", JOB_FILES)
@pytest.mark.parametrize("what", ["folder", "pipe"])
def test_a_job_with_something_else_in_a_files_place_is_listed(bare, name, what):
    folder = bare.root / "jobs" / "20260101-000000000-abcd"
    folder.mkdir(parents=True)
    (folder / name).mkdir() if what == "folder" else os.mkfifo(folder / name)
    assert [job.state for job in jobs.jobs(bare)] == ["lost"]
    assert jobs.log_tail(bare, folder.name) == ""
    assert jobs.progress_of(bare, folder.name) == []


ENTRY_KEYS = st.sampled_from(["seq", "time", "user", "op", "data", "inverse"])
DATA = st.dictionaries(
    st.sampled_from(["rows", "text", "why", "clusters", "cluster", "of"]),
    ODD | st.sampled_from([[1, 2], [-1], [10**6], {"n": 9, "bits": "eJw="}, {"bits": 3}]),
    max_size=3,
)


@settings(max_examples=50)
@given(key=ENTRY_KEYS, value=ODD | DATA | st.sampled_from(OPS), op=st.sampled_from(OPS), data=DATA)
def test_an_edit_log_whose_lines_say_anything_is_read_or_refused(place, key, value, op, data):
    entry = {"seq": 1, "time": "", "user": "", "op": op, "data": data, "inverse": []}
    lines = [{**entry, key: value}, {**entry, "seq": 2, "op": "undo", "data": {}}]
    place.log.parent.mkdir(exist_ok=True)
    place.log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for upto in (None, 1):
        try:
            found = place.read(upto)
        except InputError as e:
            refused = str(e)
        else:
            refused = f"{place.log}"
            assert set(found.excluded) | set(found.pinned) <= set(range(300))
        assert f"{place.log}" in refused


def test_an_edit_log_torn_anywhere_keeps_what_was_acknowledged(place):
    place.log.unlink(missing_ok=True)
    place.do("note", [1], "één")
    place.do("note", [2], "ß 語")
    whole = place.log.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(len(whole)):
        place.log.write_bytes(whole[:cut])
        assert place.read().position == (cut >= first)
    place.log.write_bytes(whole[:-5])  # within a letter, or near
    assert place.do("note", [3], "ü").notes == {1: "één", 3: "ü"}


def test_packed_rows_that_would_unpack_to_gigabytes_are_refused(place):
    bits = base64.b64encode(zlib.compress(b"\0" * (2**27 + 1))).decode()
    data = {"rows": {"n": 0, "bits": bits}}
    entry = {"seq": 1, "time": "", "user": "", "op": "exclude", "data": data, "inverse": []}
    place.log.parent.mkdir(exist_ok=True)
    place.log.write_text(json.dumps(entry) + "\n")
    with pytest.raises(InputError, match="line 1 of"):
        edits.read(place.workspace, place.dataset)


NEVER = {int: "x", float: "x", str: 3, bool: "x", list: {}}
"""What a value of such a type never is; an object is never a list."""


@pytest.mark.parametrize(
    "kind", ["dataset", "trajectories", "clusters", "selection", "finetune", "study"]
)
def test_a_summary_without_what_each_has_or_of_another_type_is_damage_by_name(finished, kind):
    made = finished.workspace.open(getattr(finished, kind))
    declared = shape._declared(kind)
    hints, summary = shape._hints(declared), dict(made.summary)
    facts = made.manifest
    assert not shape.sealed(facts, kind)
    for key in shape._required(declared):
        rest = {k: v for k, v in summary.items() if k != key}
        assert key in shape.sealed({**facts, "summary": rest}, kind)
    for key in hints.keys() & summary.keys():
        odd = NEVER.get(typing.get_origin(hints[key]) or hints[key], [])
        assert key in shape.sealed({**facts, "summary": {**summary, key: odd}}, kind)


@pytest.mark.parametrize("key", ["loss_items", "decoded", "right", "loss"])
def test_a_score_without_what_it_was_measured_on_or_that_is_no_number_is_damage(finished, key):
    facts = finished.workspace.open(finished.finetune).manifest
    rest = {k: v for k, v in facts["summary"].items() if k != key}
    rest |= {"loss": "low"} if key == "loss" else {}
    assert key in shape.sealed({**facts, "summary": rest}, "finetune")


@pytest.mark.parametrize("what", ["folder", "pipe", "device", "circle"])
def test_something_else_in_an_edit_logs_place_is_refused_in_a_sentence(tmp_path, what):
    place = Place(tmp_path, 30)
    path = place.workspace.root / "edits" / f"{place.dataset}.jsonl"
    path.parent.mkdir(exist_ok=True)
    {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "circle": lambda: path.symlink_to(path.name),
    }[what]()
    for ask in (edits.read, lambda *about: edits.pin(*about, [3])):
        with pytest.raises(InputError, match="is no file; put it back from a backup"):
            ask(place.workspace, place.dataset)


def test_a_link_that_goes_round_in_a_circle_is_nothing(three):
    workspace, *_ = three
    before, odd = len(workspace.entries()), "20990101-000000000-aaaa"
    for folder in ("dataset", "jobs"):
        (workspace.root / folder).mkdir(exist_ok=True)
        (workspace.root / folder / odd).symlink_to(odd)
    assert len(workspace.entries()) == before
    assert jobs.jobs(workspace) == []
    for folder in ("dataset", "jobs"):
        (workspace.root / folder / odd).unlink()
