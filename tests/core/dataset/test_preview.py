"""What is shown of a dataset before it is imported."""

import json

from core import dataset
from core.dataset.preview import preview


def see(tmp_path, rows, **settings):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return preview(path, dataset.Settings(path=str(path), **settings))


def test_rows_as_they_would_be_imported(tmp_path, load):
    rows = [{"findings": f"f{i}", "impression": f"i{i}", "study": i} for i in range(60)]
    rows[3]["impression"] = ""
    seen = see(tmp_path, rows)
    assert seen.reading.format == "two_columns"
    assert (seen.reading.certainty, seen.reading.left_out) == ("likely", ("study",))
    assert (seen.n_read, seen.n_usable, len(seen.rows)) == (60, 59, 50)
    assert [record["line"] for record in seen.skipped["empty response"]] == [4]
    assert seen.said[0] == "prompt: findings; reply: impression, most likely"
    assert seen.trainable
    frame = dataset.examples(load(rows))
    assert [row.turns for row in seen.rows] == frame["messages"].tolist()[:50]


def test_what_is_unclear_is_said_without_flags(tmp_path):
    seen = see(tmp_path, [{"foo": "x", "bar": "y"}])
    assert seen.reading is None
    assert seen.problem == "no usable column: there are 'foo', 'bar'"
    assert seen.columns == {"foo": ["x"], "bar": ["y"]}
    mapped = see(tmp_path, [{"foo": "x", "bar": "y"}], map="prompt={foo}!\nresponse=bar")
    assert [turn["content"] for turn in mapped.rows[0].turns] == ["x!", "y"]
    assert "no such column" in see(tmp_path, [{"foo": "x"}], map="response=bar").problem


def test_marks_are_seen(tmp_path):
    turns = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "no", "weight": 0},
        {"role": "assistant", "content": "yes"},
    ]
    seen = see(tmp_path, [{"messages": turns}, {"messages": turns[:2]}])
    assert [turn.get("train") for turn in seen.rows[0].turns] == [None, False, None]
    assert list(seen.skipped) == ["no reply to train on: all are marked as context"]
    assert "replies marked as context, which are read and not trained: 1" in seen.said
