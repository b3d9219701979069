import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from core import edits
from core.workspace.files import ROOT
from tests.core.edits.conftest import Place


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


WRITE = """
import sys
from core import edits
from core.workspace.store import Workspace
for row in map(int, sys.argv[3].split(",")):
    edits.exclude(Workspace(sys.argv[1]), sys.argv[2], [row])
"""


def test_writers_at_the_same_time_keep_a_valid_log(place):
    parts = np.random.default_rng(0).permutation(80).reshape(4, 20).tolist()
    command = [sys.executable, "-c", WRITE, str(place.workspace.root), place.dataset]
    writers = [subprocess.Popen([*command, ",".join(map(str, part))], cwd=ROOT) for part in parts]
    assert [writer.wait() for writer in writers] == [0] * 4
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
