import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import dataset
from core.dataset import search
from core.dataset.search import prompts
from core.workspace.store import Workspace

ROWS = [
    {"q": "What is a Triangle?", "a": "Three corners, 100% of them.", "kind": "shape", "n": 1},
    {"q": "And a square?", "a": "Four corners_", "kind": "shape", "n": 2},
    {"q": "Äpfel und Birnen?", "a": "obst", "kind": "fruit", "n": 3},
    {"q": "What is 100 percent?", "a": "all", "kind": None, "n": 40},
    {"q": "<b>bold</b>?", "a": "'; drop table x; --", "kind": "code", "n": 5},
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("search")
    file = root / "rows.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in ROWS))
    workspace = Workspace(root / "w")
    settings = dataset.Settings(path=str(file), prompt_column="q", response_column="a", holdout="0")
    return workspace.open(dataset.run(workspace, settings))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("triangle", [0]),
        ("CORNERS", [0, 1]),
        ("100%", [0]),  # no wildcards
        ("corners_", [1]),
        ("äpfel", [2]),
        ("'; drop table", [4]),
        ("nowhere", []),
        ("", []),
    ],
)
def test_a_substring_is_found_as_it_is_written(data, text, rows):
    assert search.search(data, text).tolist() == rows


def test_an_expression_is_re2(data):
    assert search.search(data, r"^what is \w+", regex=True).tolist() == [0, 3]
    assert search.search(data, r"(a+)+$", regex=True).size >= 0  # linear: cannot hang
    with pytest.raises(ValueError, match="not a regular expression"):
        search.search(data, "(", regex=True)
    with pytest.raises(ValueError, match="1,001 characters"):
        search.search(data, "a" * 1001)


def test_rows_come_in_the_order_asked_for_and_unknown_ones_do_not(data):
    assert search.fetch(data, [3, 0, 99], "row, prompt")["prompt"].tolist() == [
        ROWS[3]["q"],
        ROWS[0]["q"],
    ]
    assert search.fetch(data, [], "row").empty
    twice = search.fetch(data, [3, 0, 3], "row, prompt")
    assert twice.index.tolist() == [3, 0], "a row asked for twice is there once"
    assert twice.loc[3, "prompt"] == ROWS[3]["q"]


def test_a_row_is_found_by_number_or_id(data):
    ids = dataset.examples(data, ["id"])["id"]
    assert search.row_of(data, "3") == 3
    assert search.row_of(data, ids[2]) == 2
    assert search.row_of(data, "1,000") is None
    assert search.row_of(data, "²") is None
    assert search.row_of(data, "' or 1=1") is None


def test_columns_of_the_input_and_their_values(data):
    known = {c.name: c for c in search.columns(data)}
    assert known["kind"] == search.FilterColumn("kind", "category", ("shape", "code", "fruit"))
    assert (known["n"].kind, known["n"].low, known["n"].high) == ("number", 1.0, 40.0)
    assert search.values_of(data, "n").tolist() == [1, 2, 3, 40, 5]


def test_conditions_all_hold(data):
    known = search.columns(data)
    shape = search.Condition("kind", values=("shape", "fruit"))
    assert search.matching(data, [shape], known).tolist() == [0, 1, 2]
    small = search.Condition("n", low=2, high=5)
    assert search.matching(data, [shape, small], known).tolist() == [1, 2]
    with pytest.raises(ValueError, match="no column 'x'"):
        search.matching(data, [search.Condition("x")], known)


@given(st.text(max_size=20), st.text(min_size=1, max_size=3), st.text(max_size=20))
def test_marked_places_hold_what_was_searched(before, wanted, after):
    text = before + wanted + after
    (found,) = search.spans([text], wanted)
    assert all(text[a:b].casefold() == wanted.casefold() for a, b in found if b - a == len(wanted))
    assert [a for a, _ in found] == sorted(a for a, _ in found)
    assert found
    assert found[0][0] <= len(before)


def test_marked_places_of_an_expression():
    text = "one 22 three 4444"
    (found,) = search.spans([text], r"\d+", regex=True)
    assert [text[a:b] for a, b in found] == re.findall(r"\d+", text)
    assert search.spans(["a", "b"], "") == [[], []]


def test_a_column_named_like_sql_is_quoted(tmp_path):
    file = tmp_path / "rows.jsonl"
    name = 'x" or 1=1 --'
    rows = [{"prompt": f"p{i}", "response": "r", name: i % 2} for i in range(4)]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    workspace = Workspace(tmp_path / "w")
    data = workspace.open(dataset.run(workspace, dataset.Settings(path=str(file), holdout="0")))
    found = search.matching(data, [search.Condition(name, low=1, high=1)], search.columns(data))
    assert np.array_equal(found, [1, 3])


def test_prompts_come_in_the_order_asked_for(finished):
    data = finished.workspace.open(finished.dataset)
    rows = np.array([17, 3, 90])
    whole = dataset.examples(data, ["prompt"])["prompt"]
    assert prompts(data, rows).tolist() == whole.iloc[rows].tolist()
