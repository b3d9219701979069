"""What turns carry is written where trainers look for it."""

from core.export.turn_formats import Example, carried, for_trainer, messages, sharegpt

CALL = {"id": "c", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
TOOLS = [{"type": "function", "function": {"name": "add"}}]
TURNS = [
    {"role": "user", "content": "1?", "tools": TOOLS},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "1", "tool_call_id": "c"},
    {"role": "assistant", "content": "No.", "train": False},
    {"role": "assistant", "content": "One.", "reasoning_content": "Hm."},
]
EXAMPLE = Example(0, "x", "s", "", TURNS)


def test_messages_are_as_openai_writes_them():
    assert messages(EXAMPLE) == {
        "messages": [
            {"role": "user", "content": "1?"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "content": "1", "tool_call_id": "c"},
            {"role": "assistant", "content": "No.", "weight": 0},
            {"role": "assistant", "content": "One.", "reasoning_content": "Hm."},
        ],
        "tools": TOOLS,
    }


def test_sharegpt_has_a_turn_of_its_own_for_a_call():
    made = sharegpt(EXAMPLE)
    called = made["conversations"][1]
    assert (called["from"], called["value"]) == (
        "function_call",
        '{"name": "add", "arguments": {"a": 1}}',
    )
    assert called["tool_calls"] == [CALL]
    assert [t["from"] for t in made["conversations"]][2:] == ["observation", "gpt", "gpt"]
    assert made["tools"] == TOOLS


def test_two_calls_are_a_list():
    turns = [TURNS[0], {**TURNS[1], "tool_calls": [CALL, CALL]}]
    said = sharegpt(Example(0, "x", "s", "", turns))["conversations"][1]["value"]
    assert said.startswith('[{"name": "add"')


def test_what_rows_carry_is_counted_by_row():
    plain = Example(1, "y", "s", "", [{"role": "system", "content": ""}, *TURNS[3:]])
    found = carried([EXAMPLE, plain])
    assert (found.rows, found.tools, found.tool_calls, found.marked, found.reasoning) == (
        *(2, 1, 1, 2, 2),
    )
    assert (found.marked_replies, found.names, found.empty_system) == (2, 0, 1)


def test_a_trainers_table_reader_finds_equal_keys_and_no_null_text():
    line = for_trainer(messages(EXAMPLE), carried([EXAMPLE]).turn_keys)
    keys = {frozenset(turn) for turn in line["messages"]}
    assert keys == {
        frozenset(("role", "content", "tool_calls", "tool_call_id", "reasoning_content", "weight"))
    }
    assert line["messages"][1]["content"] == ""
    assert line["tools"] == '[{"type": "function", "function": {"name": "add"}}]'
