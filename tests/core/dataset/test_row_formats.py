"""Row formats: what becomes of a row's cells."""

import pytest

from core.dataset.readers import SkippedRow
from core.dataset.row_formats import ROW_FORMATS
from tests.core.dataset.conftest import parse

QA = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
SAID = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
GEMINI = [
    {"role": "user", "parts": [{"text": "q"}]},
    {"role": "model", "parts": [{"text": "a"}]},
]
CALL = {"name": "look", "arguments": {"q": "x"}}
CALLED = {"type": "function", "function": {"name": "look", "arguments": '{"q": "x"}'}}
TOOLS = [{"type": "function", "function": {"name": "look"}}]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("alpaca", {"instruction": "q", "output": "a"}),
        ("alpaca", {"output": "a", "source": "data/cot.json", "instruction": "q"}),
        ("alpaca", {"Instruction": "q", "Input": "", "Output": "a"}),
        ("prompt_completion", {"prompt": "q", "completion": "a"}),
        ("prompt_completion", {"prompt": [QA[0]], "completion": [QA[1]]}),
        ("prompt_completion", {"prompt": [QA[0]], "completion": "a"}),
        ("prompt_completion", {"prompt": "q", "completion": QA}),
        ("question_answer", {"question": "q", "answer": "a"}),
        ("question_answer", {"problem": "q", "solution": "a", "answer": "7"}),
        ("question_answer", {"question": "q", "answer": ["a", "b"]}),
        ("question_answer", {"question": "q", "answers": '["a", "b"]'}),
        ("question_answer", {"question": "q", "short_answers": ["a"], "long_answers": ["c"]}),
        ("question_answer", {"question": "q", "answers": [{"text": "a", "answer_start": 1}]}),
        ("messages", {"prompt": "q", "messages": QA}),
        ("sharegpt", {"conversations": SAID}),
        ("sharegpt", {"conversations": QA}),
        ("sharegpt", {"conversations": ["q", "a"]}),
        ("sharegpt", {"conversation": [{"input": "q", "output": "a"}]}),
        ("sharegpt", {"conversation": [{"human": "q", "assistant": "a"}]}),
        ("messages", {"chosen": QA}),
        ("messages", {"data": ["q", "a"], "id": 3}),
        ("messages", {"talk": [["q", "a"]]}),
        ("gemini", {"contents": GEMINI}),
        ("transcript", {"text": "### Human: q### Assistant: a"}),
        ("transcript", {"text": "### Instruction:\nq\n\n### Response:\na</s>"}),
        (
            "transcript",
            {"text": "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n"},
        ),
        ("transcript", {"text": "<s>[INST] q [/INST] a </s>"}),
        ("transcript", {"chat": "USER: q\n\n\nASSISTANT: a <|endoftext|>"}),
        ("two_columns", {"findings": "q", "impression": "a", "study": 7}),
        ("two_columns", {"input": "q", "output": "a"}),
        ("two_columns", {"source": "q", "target": "a"}),
        ("two_columns", {"task": "q", "solution": "a"}),
        ("prompt_completion", {"prompt": "q", "answer": "a"}),
    ],
)
def test_detection_and_messages(name, row):
    assert parse(row) == (name, QA)
    assert parse(dict(reversed(row.items()))) == (name, QA)


@pytest.mark.parametrize(
    "cell",
    [
        '[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]',
        "[{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': 'a'}]",
        "[{'content': 'q', 'role': 'user'}\n {'content': 'a', 'role': 'assistant'}]",
        [{"role": "user", "content": [{"type": "text", "text": "q"}]}, QA[1]],
        [{"role": "user ", "content": "q"}, {"role": "AI", "content": "a"}],
        [{"role": "Prompter", "text": "q"}, {"role": "assistant", "text": "a"}],
        {"role": ["user", "assistant"], "content": ["q", "a"]},
        {"from": ["human", "gpt"], "value": ["q", "a"]},
        [{"role": "user", "content": "q", "weight": None}, {**QA[1], "weight": 1, "train": True}],
    ],
)
def test_one_conversation_in_many_shapes(cell):
    assert parse({"messages": cell}) == ("messages", QA)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *((name, "user") for name in ("user", "human", "prompter", "User ")),
        *((name, "assistant") for name in ("gpt", "AI", "model", "assistant ", "Chatbot")),
        *((name, "tool") for name in ("ipython", "environment", "tool_response", "Tool Result")),
        ("developer", "system"),
    ],
)
def test_roles(name, role):
    assert parse({"messages": [{"role": name, "content": "x"}]})[1][0]["role"] == role


def test_what_belongs_to_a_prompt_goes_into_it():
    row = {"instruction": "q", "input": "more", "output": "a", "system": "be brief"}
    turns = parse(row)[1]
    assert turns[0] == {"role": "system", "content": "be brief"}
    assert turns[1]["content"] == "q\n\nmore"
    for name in ("context", "passage", "article"):
        assert parse({"question": "q", name: "more", "answer": "a"})[1][0]["content"] == "q\n\nmore"
    assert parse({"prompt": "q", "context": "", "response": "a"})[1] == QA


@pytest.mark.parametrize(
    ("choices", "answer", "lines"),
    [
        (["x", "y"], 1, "0. x\n1. y"),
        (["x", "y"], "1", "0. x\n1. y"),
        (["x", "y"], "B", "A. x\nB. y"),
        (["x", "y"], "y", "A. x\nB. y"),
        (["3", "4"], "4", "A. 3\nB. 4"),
        (["A) x", "B) y"], "A", "A) x\nB) y"),
        ({"text": ["x", "y"], "label": ["1", "2"]}, "2", "1. x\n2. y"),
        ('["x", "y"]', "B", "A. x\nB. y"),
        ("(a) x (b) y", "a", "(a) x (b) y"),
    ],
)
def test_choices_are_labelled_as_the_answer_names_them(choices, answer, lines):
    turns = parse({"question": "q", "choices": choices, "answer": answer})[1]
    assert turns[0]["content"] == f"q\n\n{lines}"


def test_an_answer_beyond_the_choices_is_named():
    with pytest.raises(SkippedRow, match="answer names none of the choices"):
        parse({"question": "q", "choices": ["x", "y"], "answer": 3})


@pytest.mark.parametrize("history", [[["h", "r"]], '[["h", "r"]]', [{"user": "h", "bot": "r"}]])
def test_history_is_turns(history):
    turns = parse({"instruction": "q", "output": "a", "history": history, "system": "s"})[1]
    assert [t["content"] for t in turns] == ["s", "h", "r", "q", "a"]
    assert [t["role"] for t in turns[1:]] == ["user", "assistant"] * 2


def test_a_history_that_is_a_text_is_another_column():
    name, turns = parse({"instruction": "q", "output": "a", "history": "of Rome"})
    assert (name, turns) == ("alpaca", QA)


def test_multi_turn_is_kept():
    turns = [*QA, {"role": "user", "content": "again"}, {"role": "assistant", "content": "b"}]
    assert parse({"messages": turns})[1] == turns
    said = "Preamble.\n### Human: q### Assistant: a### Human: again### Assistant: b\n### Human:"
    assert parse({"text": said})[1] == [{"role": "system", "content": "Preamble."}, *turns]


def test_a_system_column_and_a_system_turn_are_one():
    own = {"role": "system", "content": "s"}
    assert parse({"messages": [own, *QA], "system": "s"})[1] == [own, *QA]
    assert parse({"messages": [own, *QA], "system": "t"})[1][0]["content"] == "t\n\ns"
    gemini = {"contents": QA, "systemInstruction": {"parts": [{"text": "s"}]}}
    assert parse(gemini)[1] == [own, *QA]


@pytest.mark.parametrize("mark", [{"weight": 0}, {"train": False}, {"loss": False}, {"loss": "0"}])
def test_marks_of_what_is_not_trained(mark):
    turns = parse({"messages": [QA[0], {**QA[1], **mark}, *QA]})[1]
    assert [t.get("train") for t in turns] == [None, False, None, None]


@pytest.mark.parametrize(
    ("row", "reply"),
    [
        ({"messages": [QA[0], {"role": "assistant", "content": None, "tool_calls": [CALLED]}]}, {}),
        ({"messages": [QA[0], {"role": "assistant", "tool_calls": [CALL]}]}, {}),
        ({"messages": [QA[0], {"role": "assistant", "function_call": CALL}]}, {}),
        ({"conversations": [SAID[0], {"from": "function_call", "value": CALL}]}, {}),
        (
            {
                "conversations": [
                    SAID[0],
                    {
                        "from": "tool_call",
                        "value": '[{"name": "look", "arguments": {"q": "x"}}]',
                    },
                ]
            },
            {},
        ),
        ({"query": "q", "answers": [CALL], "tools": TOOLS}, {}),
        (
            {
                "messages": [
                    QA[0],
                    {
                        "role": "assistant",
                        "content": [
                            {"type": "text", "text": "hm"},
                            {"type": "tool_use", "name": "look", "input": {"q": "x"}},
                        ],
                    },
                ]
            },
            {"content": "hm"},
        ),
    ],
)
def test_calls_of_tools_are_kept(row, reply):
    turns = parse({**row, "tools": TOOLS})[1]
    assert turns[-1] == {"role": "assistant", "content": "", "tool_calls": [CALLED], **reply}
    assert turns[0] == {**QA[0], "tools": TOOLS}


def test_results_of_tools_are_turns():
    said = [{"role": "tool", "content": "21", "tool_call_id": "c", "name": "look", "weight": None}]
    assert parse({"messages": said})[1] == [
        {"role": "tool", "content": "21", "tool_call_id": "c", "name": "look"}
    ]
    given = {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "21"}]}
    assert parse({"messages": [{"role": "user", "content": [given]}]})[1] == [
        {"role": "tool", "content": "21", "tool_call_id": "c"}
    ]


def test_thoughts_are_kept():
    for thought in ({"reasoning_content": "hm"}, {"thinking": "hm"}):
        turn = parse({"messages": [QA[0], {**QA[1], **thought}]})[1][1]
        assert turn == {**QA[1], "reasoning_content": "hm"}


@pytest.mark.parametrize(
    ("value", "said"),
    [(True, "true"), (False, "false"), (1.5, "1.5"), (["é"], '["é"]'), ({"n": 1}, '{"n": 1}')],
)
def test_cells_become_text_in_a_stated_way(value, said):
    assert parse({"prompt": "q", "completion": value})[1][1]["content"] == said


def test_a_preference_is_taken_by_choice():
    row = {"prompt": "q", "chosen": "a", "rejected": "b"}
    assert parse(row, "preference")[1] == QA
    assert parse({"prompt": "q", "chosen": QA, "rejected": QA}, "preference")[1] == QA
    assert parse({"prompt": [QA[0]], "chosen": [QA[1]]}, "preference")[1] == QA
    assert parse({"chosen": "\n\nHuman: q\n\nAssistant: a"}, "preference")[1] == QA


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "q", "completion": b"a"}, "not text .binary data"),
        ({"prompt": "q", "completion": "\ud800"}, "not text"),
        ({"prompt": " ", "completion": "a"}, "empty prompt"),
        ({"messages": [3]}, "not text"),
        ({"messages": "hello"}, "text that is no list of turns"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "unknown role 'narrator'"),
        ({"messages": [{"role": "assistant", "content": None}, QA[0]]}, "empty response"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "part 'image_url'"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}, "without a name"),
        ({"messages": QA, "tools": ["look"]}, "tools that are no objects"),
    ],
)
def test_what_cannot_be_used_is_named(row, reason):
    with pytest.raises(SkippedRow, match=reason):
        parse(row, content=False)


def test_numbers_and_missing_cells():
    said = [parse({"prompt": "q", "completion": v})[1][1]["content"] for v in (42, 2.5, None)]
    assert said == ["42", "2.5", ""]
    assert parse({"prompt": "q", "completion": float("nan")})[1][1]["content"] == ""
    odd = "\x00<b>\x1b"
    assert parse({"prompt": "q", "completion": odd})[1][1]["content"] == odd


def test_every_format_has_its_needs_among_its_parts():
    for name, form in ROW_FORMATS.items():
        assert name == "columns" or set(form.needs) <= form.parts.keys()
