"""Row formats: what becomes of a row's cells."""

import pytest

from core.dataset import readers, row_formats

QA = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


def parse(row, wanted="auto", **named):
    name, parts = row_formats.detect(list(row), wanted, named)
    cells = {p: row[c] for p, c in parts.items() if p not in ("source", "answer", "id", "split")}
    return name, row_formats.FORMATS[name].turns(cells)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("alpaca", {"instruction": "q", "output": "a"}),
        ("alpaca", {"output": "a", "source": "data/cot.json", "instruction": "q"}),
        ("alpaca", {"Instruction": "q", "Input": "", "Output": "a"}),
        ("prompt_completion", {"prompt": "q", "completion": "a"}),
        ("question_answer", {"question": "q", "answer": "a"}),
        ("question_answer", {"problem": "q", "solution": "a", "answer": "7"}),
        ("messages", {"prompt": "q", "messages": QA}),
        (
            "messages",
            {"messages": '[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]'},
        ),
        (
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, QA[1]]},
        ),
        (
            "sharegpt",
            {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        ),
        ("sharegpt", {"conversations": QA}),
    ],
)
def test_detection_and_messages(name, row):
    assert parse(row) == (name, QA)
    assert parse(dict(reversed(row.items()))) == (name, QA)


def test_alpaca_input_and_system():
    row = {"instruction": "q", "input": "more", "output": "a", "system": "be brief"}
    turns = parse(row)[1]
    assert turns[0] == {"role": "system", "content": "be brief"}
    assert turns[1]["content"] == "q\n\nmore"


def test_multi_turn_is_kept():
    turns = [*QA, {"role": "user", "content": "again"}, {"role": "assistant", "content": "b"}]
    assert parse({"messages": turns})[1] == turns


def test_named_columns():
    row = {"a": "a", "q": "q", "instruction": "other", "output": "x"}
    assert parse(row, prompt="q", response="a") == ("columns", QA)
    assert parse(row, response="a")[1][0]["content"] == "other"
    assert parse({"text": "t"}, response="text") == (
        "columns",
        [{"role": "assistant", "content": "t"}],
    )


def test_an_answer_alone_is_an_evaluation_file():
    name, parts = row_formats.detect(["instruction", "answer"], "auto", {})
    assert (name, parts) == ("alpaca", {"prompt": "instruction", "answer": "answer"})
    assert row_formats.detect(["question", "answer"], "auto", {})[1] == {
        "prompt": "question",
        "response": "answer",
    }


@pytest.mark.parametrize(
    ("columns", "wanted", "named", "match"),
    [
        (["foo", "bar"], "auto", {}, "'foo', 'bar'; name two of them with --prompt-column"),
        (["prompt"], "auto", {}, "no usable column"),
        (["prompt", "completion"], "messages", {}, "--format messages does not fit"),
        (["prompt"], "auto", {"response": "x"}, "--response-column 'x': no such column"),
    ],
)
def test_no_usable_column(columns, wanted, named, match):
    with pytest.raises(ValueError, match=match):
        row_formats.detect(columns, wanted, named)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "q", "completion": True}, "not text"),
        ({"prompt": "q", "completion": ["a"]}, "not text"),
        ({"prompt": "q", "completion": "\ud800"}, "not text"),
        ({"prompt": " ", "completion": "a"}, "empty prompt"),
        ({"messages": ["hello"]}, "not text"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "unknown role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "not text"),
    ],
)
def test_set_aside(row, reason):
    with pytest.raises(readers.SkippedRow, match=reason):
        parse(row)


def test_numbers_and_missing_cells():
    assert [row_formats.text(v) for v in (42, 2.5, None, float("nan"), "\x00<b>\x1b")] == [
        "42",
        "2.5",
        "",
        "",
        "\x00<b>\x1b",
    ]
