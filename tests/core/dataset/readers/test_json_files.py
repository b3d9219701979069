"""JSON of every shape is read where one reading is clear."""

import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.dataset.readers import head, json_files, read
from core.dataset.readers.json_files import Text
from core.errors import InputError

ROWS = [{"prompt": f"q {i}", "output": f"a {i}"} for i in range(3)]
FRAME = pd.DataFrame(ROWS)
TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


def read_text(tmp_path, text, name="data.json", split="train"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read(str(path), split)


def records(rows):
    cells = zip(*(rows.values(name) for name in rows.columns), strict=True)
    return [dict(zip(rows.columns, row, strict=True)) for row in cells]


@pytest.mark.parametrize(
    "text",
    [
        FRAME.to_json(),
        FRAME.to_json(orient="index"),
        FRAME.to_json(orient="split"),
        FRAME.to_json(orient="table", index=False),
        FRAME.to_json(orient="records", lines=True),
        json.dumps({"prompt": ["q 0", "q 1", "q 2"], "output": ["a 0", "a 1", "a 2"]}),
        json.dumps({"version": 2, "data": ROWS}),
        json.dumps({"train": ROWS, "test": ROWS[:1]}),
        json.dumps({"rows": [{"row_idx": i, "row": r} for i, r in enumerate(ROWS)]}),
        "".join(json.dumps(row, indent=2) + "\n" for row in ROWS),
        "".join(json.dumps(row) for row in ROWS),
        "".join(json.dumps(row) + ",\n" for row in ROWS),
        "[" + "".join(json.dumps(row) + ",\n" for row in ROWS) + "]",
        "\r".join(json.dumps(row) for row in ROWS),
    ],
)
@pytest.mark.parametrize("name", ["data.json", "data.jsonl"])
def test_every_shape_is_read(tmp_path, text, name):
    if name == "data.jsonl" and text.count("\n") == 0 and text[0] == "{" and "}{" not in text:
        name = "data.json"  # one line of JSON lines is a row
    found = read_text(tmp_path, text, name)
    assert records(found) == ROWS
    assert records(head(tmp_path / name, 2)) == ROWS[:2]


@pytest.mark.parametrize("text", [json.dumps([TURNS] * 2), f"{json.dumps(TURNS)}\n" * 2])
def test_lists_of_turns_are_conversations(tmp_path, text):
    assert read_text(tmp_path, text).values("messages") == [TURNS] * 2


def test_a_split_is_named_in_one_file(tmp_path):
    text = json.dumps({"train": ROWS, "test": ROWS[:1]})
    assert records(read_text(tmp_path, text, split="test")) == ROWS[:1]
    with pytest.raises(InputError, match="no split 'dev'; there are train, test: name one with"):
        read_text(tmp_path, text, split="dev")


def test_rows_cut_by_the_viewer_are_skipped(tmp_path):
    rows = [
        {"row_idx": i, "row": r, "truncated_cells": ["x"] * (i == 1)} for i, r in enumerate(ROWS)
    ]
    found = read_text(tmp_path, json.dumps({"rows": rows}))
    assert records(found) == [ROWS[0], ROWS[2]]
    assert [r["reason"] for r in found.skipped] == ["cut by the hub's viewer"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"a": {"b": {"c": 1}}, "d": {"b": 2}}', "rows cannot be told from its columns"),
        ('{"prompt": "q"}', "not a list of objects; write one row a line"),
        ("[" * 100_000, "broken JSON|no row"),
        ('[{"prompt": "q"}, {"prompt": ' + "[" * 100_000 + "}]", "nested too deeply: line 1"),
    ],
)
def test_what_is_not_clear_is_one_sentence(tmp_path, text, match):
    with pytest.raises(InputError, match=match):
        read_text(tmp_path, text)


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=8),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=3),
    max_leaves=5,
)


class Pieces:
    """A text that is read in pieces of given sizes."""

    def __init__(self, text, sizes):
        self.text, self.sizes = text, sizes

    def read(self, n):
        size = self.sizes.pop(0) if self.sizes else 3
        piece, self.text = self.text[:size], self.text[size:]
        return piece


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(VALUE, max_size=6),
    sizes=st.lists(st.integers(1, 30), max_size=10),
    indent=st.sampled_from([None, 1]),
)
def test_where_a_text_is_cut_changes_nothing(values, sizes, indent):
    text = Text(None, "utf-8", Pieces(json.dumps(values, indent=indent), sizes))
    assert [value for value, _ in text.items()] == values
    assert text.peek() == ""


def test_a_list_is_read_without_holding_its_text(tmp_path, monkeypatch):
    monkeypatch.setattr(json_files, "CHUNK", 64)
    found = read_text(tmp_path, json.dumps(ROWS * 50))
    assert records(found) == ROWS * 50


def test_questions_that_are_nested_as_in_squads_files_are_rows(tmp_path):
    asked = [
        {"id": "1", "question": "What?", "answers": [{"text": "red", "answer_start": 4}] * 2},
        {"id": "2", "question": "Who?", "is_impossible": True, "answers": []},
    ]
    article = {"title": "T", "paragraphs": [{"context": "It is red.", "qas": asked}]}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"version": "2", "data": [article, article]}))
    rows = read(str(path), "train")
    assert rows.values("question") == ["What?", "Who?"] * 2
    assert rows.values("context") == ["It is red."] * 4
    assert rows.values("answers.text") == [["red", "red"], []] * 2
    assert rows.read_as["rows_are"] == "the questions of paragraphs"
