"""Rows become examples, of which nothing is lost."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import dataset
from tests.core.dataset.conftest import aside, original, rows


def test_copies_are_numbered(load):
    artifact = load([rows(1)[0]] * 3)
    assert [i[16:] for i in sorted(dataset.examples(artifact)["id"])] == ["", "-2", "-3"]
    assert artifact.summary["duplicates"] == 2


def test_ids(load):
    data = [{**r, "id": i} for i, r in enumerate(rows(3))]
    assert dataset.examples(load(data))["id"].tolist() == ["0", "1", "2"]
    data[2]["id"] = 0
    assert dataset.examples(load(data))["id"].str.len().eq(16).all()
    with pytest.raises(ValueError, match="--id-column 'id' is not one distinct"):
        load(data, id_column="id")


def test_set_aside_with_line_numbers(load):
    artifact = load(
        b'\xef\xbb\xbf{"prompt": "q", "completion": "a"}\n'
        b'{"prompt": "q", "comple\n\n'
        b'{"prompt": "q", "completion": " "}\n'
        b'{"prompt": "caf\xe9", "completion": "a"}\n'
        b'{"prompt": "\\ud800", "completion": "a"}\n'
        b'{"prompt": "q", "completion": {"a": 1}}\n'
        b"[1, 2]\n" + b"[" * 100_000 + b'\n{"prompt": "q", "completion": 42, "note": "\\ud800"}\r\n'
    )
    assert [(r["line"], r["reason"]) for r in aside(artifact)] == [
        (2, "malformed line"),
        (4, "empty response"),
        (5, "not UTF-8"),
        (6, "not text"),
        (8, "malformed line"),
        (9, "malformed line"),
    ]
    assert all(len(r["preview"]) <= 200 for r in aside(artifact))
    assert dataset.examples(artifact)["response"].tolist() == ["a", '{"a": 1}', "42"]
    assert original(artifact)[2]["note"] == "\ud800"
    s = artifact.summary
    assert s["rows_read"] == s["rows"] + sum(s["set_aside"].values()) == 9


def test_nothing_of_the_input_is_lost(load):
    extra = [
        {"mixed": 1, "list": [1, 2], "dict": {"a": 1}, "num": 1, "keys": {"a": 1}, "none": None},
        {"mixed": "x", "list": [], "dict": {"a": 2}, "num": 2.5, "keys": {"b": []}, "none": None},
        {"mixed": [1], "list": None, "dict": None, "num": True, "keys": {}, "none": None},
    ]
    data = [{**r, **e, "big": 2**70, "empty": {}} for r, e in zip(rows(3), extra, strict=True)]
    artifact = load(data)
    assert json.dumps(original(artifact), sort_keys=True) == json.dumps(data, sort_keys=True)
    assert artifact.summary["json_columns"] == ["mixed", "num", "keys", "big", "empty"]
    types = pq.read_schema(artifact.path / "original.parquet")
    assert pa.types.is_list(types.field("list").type)


def test_control_characters_html_and_a_long_row(load):
    odd = "<script>alert(1)</script>\x00\x07\u202e\tend"
    artifact = load(
        [{"prompt": odd, "completion": odd}, {"prompt": "q", "completion": "x" * 2**21}]
    )
    frame = dataset.examples(artifact)
    assert frame["response"][0] == frame["prompt"][0] == odd
    assert len(frame["response"][1]) == 2**21
    raw = load(b'{"prompt": "a\x01\tb", "completion": "c"}', "raw.jsonl")
    assert dataset.examples(raw)["prompt"][0] == "a\x01\tb"
    csv = load(b"prompt,completion\nq," + b"x" * 2**21 + b"\n", "long.csv")
    assert csv.summary["rows"] == 1


def test_conversations(load):
    turns = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u1"},
        {"role": "assistant", "content": "a1"},
        {"role": "user", "content": "u2"},
        {"role": "assistant", "content": "a2"},
    ]
    for name, data in (
        ("a.jsonl", [{"messages": turns}]),
        ("a.parquet", pd.DataFrame({"messages": [turns]})),
    ):
        frame = dataset.examples(load(data, name))
        assert frame["messages"][0] == turns
        assert frame["prompt"][0] == "s\n\nu1\n\na1\n\nu2"
        assert frame["response"][0] == "a2"


def test_evaluation_files(load):
    artifact = load([{"instruction": "1+1", "answer": 2}, {"instruction": "q", "answer": None}])
    frame = dataset.examples(artifact)
    assert not artifact.summary["trainable"]
    assert frame["answer"].tolist() == ["2"]
    assert frame["response"].tolist() == [""]
    assert frame["messages"][0] == [{"role": "user", "content": "1+1"}]
    assert artifact.summary["set_aside"] == {"empty answer": 1}
    mixed = load([{"instruction": "q", "answer": 2}, {"instruction": "q", "output": "a"}])
    assert mixed.summary["set_aside"] == {"empty response": 1}
