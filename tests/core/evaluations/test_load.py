"""Tests by name: imported once, what is no item said, keys that differ."""

import importlib
import json
import shutil

import pandas as pd
import pytest

from core.errors import InputError
from core.evaluations.load import each, load, load_all
from core.workspace.store import Workspace

SVAMP = [
    {"ID": f"{i}", "Body": f"Ann has {i} pens", "Question": "How many?", "Answer": i, "Type": "x"}
    for i in range(4)
]


def written(path, rows):
    path.write_text(json.dumps(rows))
    return path


def items(test):
    table = pd.read_parquet(test.dataset.path / "examples.parquet")
    return table[["prompt", "response", "answer", "source"]].to_dict("records")


def test_a_public_file_is_imported_once_and_what_is_no_item_is_said(bare, tmp_path, capsys):
    file = written(tmp_path / "SVAMP.json", [*SVAMP, {"Body": "B.", "Question": "?", "Answer": ""}])
    test = load(bare, f"svamp={file}")
    assert (test.key, test.title, test.left_out, test.programs) == (
        "svamp",
        "SVAMP",
        {"no answer": 1},
        0,
    )
    assert items(test)[2] == {
        "prompt": "Ann has 2 pens. How many?",
        "response": "",
        "answer": "2",
        "source": "x",
    }
    assert "SVAMP: 1 rows are no items and left out (1: no answer)" in capsys.readouterr().err
    assert load(bare, f"svamp={file}").dataset.id == test.dataset.id
    moved = Workspace(shutil.copytree(bare.root, tmp_path / "moved"))
    assert load(moved, f"svamp={file}").dataset.id == test.dataset.id, "so its fine-tunes are found"
    again = load(bare, f"svamp={test.dataset.id}")  # a dataset of the workspace
    assert [i["answer"] for i in items(again)] == ["0", "1", "2", "3"]


def test_several_tests_have_keys_of_their_own(bare, tmp_path):
    one, two = (written(tmp_path / f"{n}.json", SVAMP[n:]) for n in (0, 1))
    tests = load_all(bare, f"svamp={one}, svamp={two}, regression, svamp={one}")
    assert [t.key for t in tests] == ["svamp", "svamp-2", "regression"]
    assert len({t.dataset.id for t in tests}) == 3
    assert tests[2].dataset.summary["rows"] == 48
    assert load_all(bare, "") == []


def test_question_files_of_mathematics_are_lines_in_turn(bare, tmp_path):
    (tmp_path / "algebra__linear.txt").write_text("Solve x = 1.\n1\nSolve y = 2.\n2\n")
    (tmp_path / "numbers__gcd.txt").write_text("gcd(4, 6)?\n2\n")
    found = items(load(bare, f"mathematics={tmp_path}"))
    assert [(i["prompt"], i["answer"], i["source"]) for i in found] == [
        ("Solve x = 1.", "1", "algebra__linear"),
        ("Solve y = 2.", "2", "algebra__linear"),
        ("gcd(4, 6)?", "2", "numbers__gcd"),
    ]


def test_programs_among_the_golds_are_counted(bare, tmp_path, capsys):
    rows = [{"Input": "3 + 4?", "Output Answer": ["7"], "Output Program": ["import os\nprint(7)"]}]
    assert load(bare, f"simuleq={written(tmp_path / 'lila.json', rows)}").programs == 1
    assert "1 golds come with a program, which is never run" in capsys.readouterr().err


def test_a_hub_id_is_read_once_by_its_test_split(bare, tmp_path, monkeypatch):
    asked = []
    loading = importlib.import_module("core.evaluations.load")
    real = loading.read

    def read(where, split):
        asked.append((where, split))
        return real(str(written(tmp_path / "hub.json", SVAMP)), "train")

    monkeypatch.setattr(loading, "read", read)
    assert load(bare, "svamp").dataset.id == load(bare, "svamp=ChilleD/SVAMP").dataset.id
    assert asked == [("ChilleD/SVAMP", "test")] * 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("numglue", "numglue needs its file: numglue=PATH"),
        ("svamp=none.json", "no artifact 'none.json'"),
        ("of nothing", "a test with a name is NAME or NAME=PATH: gsm8k, math, "),
    ],
)
def test_a_test_that_is_none_says_what_one_is(bare, text, words):
    with pytest.raises(InputError, match=words):
        load(bare, text)


def test_a_file_of_another_shape_is_refused_with_its_reasons(bare, tmp_path):
    file = written(tmp_path / "other.json", [{"a": 1}, {"a": 2}])
    with pytest.raises(InputError, match=r"no row of .* is an item of GSM8K \(no answer 2\)"):
        load(bare, f"gsm8k={file}")


def test_what_a_browser_may_name_is_checked_part_by_part():
    assert each(" regression ,svamp = a.json,b", lambda where: f"<{where}>") == (
        "regression,svamp=<a.json>,<b>"
    )
