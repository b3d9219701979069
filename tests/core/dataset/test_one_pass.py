"""What is decided by all rows together, wherever batches end."""

import json

import pytest

from core.dataset.readers import rows as reading
from tests.core.dataset.conftest import aside, original, rows


@pytest.fixture(params=[3, 8_192])
def borders(request, monkeypatch):
    """Read three rows at a time, or all."""
    monkeypatch.setattr(reading, "BATCH_ROWS", request.param)
    monkeypatch.setattr("core.dataset.one_pass.SAMPLE", 3)


def test_a_column_that_comes_late_is_part_of_the_reading(load, borders):
    late = {"prompt": "p", "completion": "c", "system": "Be kind."}
    made = load([*rows(7), late, *rows(2)], holdout="0")
    assert made.summary["columns"]["system"] == "system"
    assert made.summary["left_out"] == []
    assert original(made)[0] == {"prompt": "question 0?", "completion": "answer 0", "system": None}


def test_columns_that_none_of_the_first_rows_has(load, borders):
    empty = [{"n": i} for i in range(7)]
    made = load([*empty, *rows(2)])
    assert made.summary["rows"] == 2
    assert sum(made.summary["set_aside"].values()) == 7
    with pytest.raises(ValueError, match="'n' is the only one"):
        load(empty)


def test_a_late_reply_makes_the_first_rows_unusable(load, borders):
    asked = [
        {"messages": [{"role": "user", "content": f"q{i}"}], "answer": f"{i}"} for i in range(7)
    ]
    assert not load(asked).summary["trainable"]
    replied = {"messages": [*asked[0]["messages"], {"role": "assistant", "content": "a"}]}
    made = load([*asked, replied])
    assert made.summary["trainable"]
    assert (made.summary["rows"], made.summary["set_aside"]) == (1, {"empty response": 7})


def test_columns_of_unlike_types_are_kept_as_they_were(load, borders):
    values = {
        "mixed": [1, 2, 3, 4, "5", 6.0, None],
        "late": [None, None, None, None, "x", "y", None],
        "lists": [[], [], [], [], ["a"], [], None],
        "objects": [
            {"a": None},
            {"a": None},
            {"a": None},
            {"a": "x"},
            None,
            {"a": "y"},
            {"a": None},
        ],
        "unlike": [{"a": 1}, {"a": 1}, {"a": 1}, {"b": 1}, {"a": 1}, {"a": 1}, {"a": 1}],
        "deep": [json.loads("[" * 60 + "1" + "]" * 60)] * 7,
        "numbers": [[1], [2], [3], [4], [0.5], [6], [7]],
    }
    data = [{**row, **{n: v[i] for n, v in values.items()}} for i, row in enumerate(rows(7))]
    made = load(data)
    assert original(made) == data
    assert made.summary["json_columns"] == ["mixed", "unlike", "deep", "numbers"]


def test_a_sample_of_rows_is_stored_as_if_it_were_all(load, borders):
    data = [{**row, "n": "text" if i == 8 else i} for i, row in enumerate(rows(9))]
    made = load(data, limit=4, seed=1, holdout="0")
    kept = original(made)
    assert len(kept) == 4
    assert all(row in data for row in kept)
    assert made.summary["not_sampled"] == 5
    assert made.summary["json_columns"] == ([] if data[8] not in kept else ["n"])


def test_skipped_rows_show_all_columns(load, borders):
    data = [{"prompt": "q", "completion": ""}, *rows(7, more=1)]
    (record,) = aside(load(data))
    assert json.loads(record["preview"]) == {"prompt": "q", "completion": "", "more": None}
    assert record["line"] == 1
