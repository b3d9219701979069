import copy
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import edits
from core.workspace.store import Workspace

N, K = 200, 5


class Place:
    """A workspace with a dataset of so many rows, a clustering of it, and another dataset."""

    def __init__(self, root, n=N):
        self.workspace = Workspace(root)
        self.dataset = self.seal("dataset", n).id
        self.other = self.seal("dataset", n).id
        self.clusters = self.seal("clusters", n, dataset=self.dataset).id

    def seal(self, kind, n, **parents):
        draft = self.workspace.draft(kind, name="x", config={}, parents=parents)
        if kind == "clusters":
            np.save(draft.path / "centroids.npy", np.zeros((K, 2), np.float32))
        return draft.seal({"rows": n})

    @property
    def log(self):
        return self.workspace.root / "edits" / f"{self.dataset}.jsonl"

    def do(self, op, *args, **more):
        head = (self.dataset, self.clusters) if op in ("name", "note_cluster") else (self.dataset,)
        return getattr(edits, op)(self.workspace, *head, *args, **more)

    def read(self, upto=None):
        return edits.read(self.workspace, self.dataset, upto)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "workspace")


def plain(found):
    """What the edits amount to, without where they stand."""
    return (found.excluded.tolist(), found.pinned.tolist(), *copy.deepcopy(found[2:5]))


NOTHING = ([], [], {}, {}, {})


def test_without_a_log_nothing_is_edited(place):
    found = place.read()
    assert plain(found) == NOTHING
    assert (found.position, found.undo, found.redo, found.rows_at) == (0, "", "", 0)
    assert not place.log.parent.exists()


def test_what_each_edit_does(place):
    place.do("exclude", [5, 3, 3], why="duplicates", user="ann")
    place.do("pin", [7, 8])
    place.do("note", [7], "look at this")
    place.do("note_cluster", 2, "odd ones")
    found = place.do("name", 2, "long division")
    assert plain(found) == plain(place.read())
    assert plain(found) == (
        [3, 5],
        [7, 8],
        {7: "look at this"},
        {place.clusters: {2: "long division"}},
        {place.clusters: {2: "odd ones"}},
    )
    found = place.do("include", range(10))
    found = place.do("unpin", range(8))
    assert (found.excluded.tolist(), found.pinned.tolist()) == ([], [8])
    place.do("note", range(10), "")
    place.do("note_cluster", 2, "")
    found = place.do("name", 2, "")
    assert plain(found) == ([], [8], {}, {}, {})
    assert found.position == 10


def test_a_row_is_never_both_excluded_and_pinned(place):
    place.do("exclude", [1, 2, 3])
    found = place.do("pin", [3, 4])
    assert (found.excluded.tolist(), found.pinned.tolist()) == ([1, 2], [3, 4])
    found = place.do("exclude", [4, 5])
    assert (found.excluded.tolist(), found.pinned.tolist()) == ([1, 2, 4, 5], [3])
    place.do("undo")
    found = place.do("undo")
    assert (found.excluded.tolist(), found.pinned.tolist()) == ([1, 2, 3], [])


def test_what_would_be_undone_and_redone_is_said(place):
    assert place.do("exclude", [1]).undo == "exclude 1 row"
    assert place.do("exclude", range(100), why="duplicates").undo == "exclude 99 rows (duplicates)"
    assert place.do("note", [1, 2], "odd").undo == "note on 2 rows (odd)"
    assert place.do("note", [1], "odd\n" * 50).undo == f"note on 1 row ({'odd ' * 14}…)"
    place.do("undo")
    assert place.do("name", 3, "sums").undo == "name cluster 3 (sums)"
    found = place.do("undo")
    assert (found.undo, found.redo) == ("note on 2 rows (odd)", "name cluster 3 (sums)")
    found = place.do("note_cluster", 1, "hm")
    assert (found.undo, found.redo) == ("note on cluster 1 (hm)", "")
    with pytest.raises(ValueError, match="nothing to redo"):
        place.do("redo")
    for _ in range(4):
        found = place.do("undo")
    assert (found.undo, found.redo) == ("", "exclude 1 row")
    before = place.log.read_bytes()
    with pytest.raises(ValueError, match="nothing to undo"):
        place.do("undo")
    assert place.log.read_bytes() == before


def test_an_edit_that_changes_nothing_is_not_written(place):
    place.do("exclude", [1, 2])
    place.do("name", 0, "a")
    for op, args in (
        ("exclude", ([2],)),
        ("exclude", ([],)),
        ("include", ([3],)),
        ("unpin", ([1],)),
        ("note", ([1], "")),
        ("name", (0, "a")),
        ("note_cluster", (0, "")),
    ):
        assert place.do(op, *args).position == 2


def test_the_log_holds_who_when_what_and_the_inverse(place):
    place.do("pin", [2])
    place.do("exclude", [1, 2], why="odd", user="ann")
    place.do("undo", user="bob")
    first, second, third = map(json.loads, place.log.read_text().splitlines())
    assert list(second) == ["seq", "time", "user", "op", "data", "inverse"]
    assert second["data"] == {"rows": [1, 2], "why": "odd"}
    assert second["inverse"] == [["include", {"rows": [1, 2]}], ["pin", {"rows": [2]}]]
    assert (first["seq"], second["user"], second["time"][-6:]) == (1, "ann", "+00:00")
    assert (third["op"], third["user"], third["data"]) == ("undo", "bob", {"of": 2})


def test_the_first_entries_mean_the_same_for_ever(place):
    states = [plain(place.read())]
    for op, args in (("exclude", ([1, 2],)), ("pin", ([1],)), ("undo", ()), ("note", ([4], "x"))):
        states.append(plain(place.do(op, *args)))
    assert [plain(place.read(n)) for n in range(5)] == states
    with pytest.raises(ValueError, match=r"5 edits are wanted, but .* has 4"):
        place.read(5)


def test_the_position_of_the_rows_is_left_alone_by_notes_and_taken_back_by_an_undo(place):
    def at(op, *args):
        found = place.do(op, *args)
        assert plain(place.read(found.rows_at))[:2] == plain(found)[:2]
        return found.rows_at

    assert at("name", 1, "a") == 0
    assert at("exclude", [1]) == 2
    assert at("note", [1], "b") == 2
    assert at("pin", [3]) == 4
    assert at("undo") == 2
    assert at("undo") == 2
    assert at("undo") == 0
    assert at("redo") == 2
    assert at("include", [1]) == 0, "nothing excluded or pinned: as before any edit"


@pytest.mark.parametrize(
    ("op", "args", "words"),
    [
        ("exclude", ([0, N],), f"there is no row {N}; the dataset has rows 0 to {N - 1}"),
        ("pin", ([-1],), "there is no row -1"),
        ("name", (K, "x"), f"there is no cluster {K}; .* has 0 to {K - 1}"),
        ("note_cluster", (-1, "x"), "there is no cluster -1"),
    ],
)
def test_what_is_not_there_cannot_be_edited(place, op, args, words):
    with pytest.raises(ValueError, match=words):
        place.do(op, *args)
    assert place.read().position == 0


def test_clusters_of_another_dataset_and_unknown_datasets_are_refused(place):
    with pytest.raises(ValueError, match="is not a clustering of"):
        edits.name(place.workspace, place.other, place.clusters, 0, "x")
    for wrong in ("nonsense", place.clusters, "../x"):
        with pytest.raises(ValueError, match=r"no artifact|not a dataset"):
            edits.exclude(place.workspace, wrong, [0])
    assert not place.log.parent.exists()


def test_datasets_have_histories_of_their_own(place):
    place.do("exclude", [1])
    edits.exclude(place.workspace, place.other, [2])
    assert place.do("undo").excluded.tolist() == []
    assert edits.read(place.workspace, place.other).excluded.tolist() == [2]


TEXT = st.sampled_from(["", "a", "b\nc", "\u2028 \r \udc80 ž"])
ROWS = st.lists(st.integers(0, N - 1), max_size=100)
EDIT = st.one_of(
    st.tuples(st.sampled_from(["exclude", "include", "pin", "unpin"]), ROWS),
    st.tuples(st.just("note"), ROWS, TEXT),
    st.tuples(st.sampled_from(["name", "note_cluster"]), st.integers(0, K - 1), TEXT),
    st.tuples(st.sampled_from(["undo", "redo"])),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(EDIT, max_size=12))
def test_undoing_all_is_empty_and_redoing_all_is_the_same_state(tmp_path_factory, wanted):
    place = Place(tmp_path_factory.mktemp("edits"))
    model = [NOTHING]  # states that undo goes back to, the last one now
    ahead = []  # states that redo goes on to
    for op, *args in wanted:
        if op in ("undo", "redo"):
            source, target = (model, ahead) if op == "undo" else (ahead, model)
            if len(source) <= (op == "undo"):
                with pytest.raises(ValueError, match="nothing to"):
                    place.do(op)
                continue
            target.append(source.pop())
            found = place.do(op)
        else:
            before = place.read().position
            found = place.do(op, *args)
            if found.position > before:
                model.append(plain(found))
                ahead = []
        assert plain(found) == plain(place.read()) == model[-1]
        assert not set(found.excluded) & set(found.pinned)
        at = place.read(found.rows_at)
        assert plain(at)[:2] == plain(found)[:2]
        assert at.rows_at == found.rows_at
        assert (bool(found.undo), bool(found.redo)) == (len(model) > 1, bool(ahead))
    for state in reversed(model[:-1]):
        assert plain(place.do("undo")) == state
    assert plain(place.read()) == NOTHING
    for state in [*model[1:], *reversed(ahead)]:
        assert plain(place.do("redo")) == state


@pytest.mark.parametrize("tail", [b'{"seq":2,"op":"excl', b"\x00" * 40, b"\x00\x00\n", b'{"a\n'])
def test_a_torn_last_line_is_ignored_and_written_over(place, tail):
    place.do("exclude", [1])
    whole = place.log.read_bytes()
    place.log.write_bytes(whole + tail)
    assert place.read().position == 1
    found = place.do("exclude", [2])
    assert found.excluded.tolist() == [1, 2] == place.read().excluded.tolist()
    assert place.log.read_bytes().startswith(whole)
    assert place.log.read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("line", [b"", b"nonsense", b"7", b'{"seq": 3}'])
def test_damage_elsewhere_is_named_and_nothing_written(place, line):
    for row in range(3):
        place.do("exclude", [row])
    lines = place.log.read_bytes().split(b"\n")
    lines[1] = line
    damaged = b"\n".join(lines)
    place.log.write_bytes(damaged)
    for act in (place.read, lambda: place.do("exclude", [9])):
        with pytest.raises(ValueError, match=r"line 2 of .* is damaged"):
            act()
    assert place.log.read_bytes() == damaged


def write_rows(root, dataset, rows):
    for row in rows:
        edits.exclude(Workspace(root), dataset, [row])


def test_writers_at_the_same_time_keep_a_valid_log(place):
    parts = np.random.default_rng(0).permutation(80).reshape(4, 20).tolist()
    spawn = multiprocessing.get_context("spawn")
    root = place.workspace.root
    writers = [spawn.Process(target=write_rows, args=(root, place.dataset, p)) for p in parts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [w.exitcode for w in writers] == [0] * 4
    found = place.read()
    assert found.position == 80
    assert found.excluded.tolist() == list(range(80))
    order = [json.loads(line)["data"]["rows"][0] for line in place.log.read_text().splitlines()]
    for part in parts:
        assert [row for row in order if row in part] == part, "each writer's own order"


LOOP = """
import sys
import numpy as np
from core import edits
from core.workspace.store import Workspace
workspace, dataset = Workspace(sys.argv[1]), sys.argv[2]
rng = np.random.default_rng(int(sys.argv[3]))
while True:
    rows = np.flatnonzero(rng.random(100_000) < 0.5)  # a long line
    found = edits.exclude(workspace, dataset, rows)
    print(found.position, len(found.excluded), flush=True)
    found = edits.include(workspace, dataset, rows)
    print(found.position, len(found.excluded), flush=True)
"""


def test_a_killed_writer_loses_nothing_that_was_acknowledged(tmp_path):
    place = Place(tmp_path / "workspace", 100_000)
    for seed in range(4):
        argv = [sys.executable, "-c", LOOP, str(place.workspace.root), place.dataset, str(seed)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as writer:
            said = [writer.stdout.readline() for _ in range(3)]
            time.sleep(0.013 * seed)
            os.kill(writer.pid, signal.SIGKILL)
            said += writer.stdout.readlines()
        position, excluded = map(int, said[-1].split())
        assert writer.returncode == -signal.SIGKILL
        found = place.read()
        assert position <= found.position <= position + 1
        assert len(place.read(position).excluded) == excluded
        assert place.do("note", [seed], "after").position == found.position + 1


def test_half_a_million_rows_are_excluded_and_read_back_within_a_second(tmp_path):
    place = Place(tmp_path / "workspace", 1_000_000)
    rows = np.random.default_rng(0).permutation(1_000_000)[:500_000]
    began = time.process_time()  # the machine may be busy
    place.do("exclude", rows)
    found = place.read()
    assert time.process_time() - began < 1
    assert (found.excluded == np.sort(rows)).all()
    assert place.log.stat().st_size < 400_000


def test_the_state_as_text(place):
    place.do("exclude", [3, 17, *range(100, 121)])
    place.do("note", [4, 5], "odd")
    place.do("name", 2, "sums")
    assert edits.as_text(place.do("undo")).splitlines() == [
        "edits: 4",
        "excluded: 23 rows 3,17,100-120",
        "pinned: 0 rows",
        "note 'odd': 2 rows 4-5",
        "to undo: note on 2 rows (odd)",
        "to redo: name cluster 2 (sums)",
    ]
