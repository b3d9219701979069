"""What is exported comes back equal, in every format that can hold it, with all that turns carry."""

import json
import re

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from core import dataset
from core.dataset.detection import detect
from core.dataset.examples import to_examples
from core.dataset.readers import Rows
from core.errors import InputError
from core.export import turn_formats
from core.export.turn_formats import Example, carried, for_trainer
from core.export.writers import JsonLines
from tests.core.conftest import write_export
from tests.core.export.conftest import again, chosen_rows, load

text = st.text(st.characters(codec="utf-8"), max_size=12)
said = text.filter(str.strip)
json_value = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
    max_leaves=4,
)
arguments = st.dictionaries(said, json_value, max_size=2).map(
    lambda given: json.dumps(given, ensure_ascii=False)
)
call = st.fixed_dictionaries(
    {
        "type": st.just("function"),
        "function": st.fixed_dictionaries({"name": said, "arguments": arguments}),
    },
    optional={"id": said},
)
tool = st.fixed_dictionaries(
    {"type": st.just("function"), "function": st.dictionaries(said, json_value, max_size=2)}
)
user = st.fixed_dictionaries({"role": st.just("user"), "content": said}, optional={"name": said})
system = st.fixed_dictionaries({"role": st.just("system"), "content": text})
reply = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": said},
    optional={"train": st.just(False), "reasoning_content": said, "name": said},
)
called = st.fixed_dictionaries(
    {
        "role": st.just("assistant"),
        "content": st.just("") | said,
        "tool_calls": st.lists(call, min_size=1, max_size=2),
    },
    optional={"train": st.just(False), "reasoning_content": said},
)
result = st.fixed_dictionaries(
    {"role": st.just("tool"), "content": text}, optional={"tool_call_id": said, "name": said}
)
last = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": said}, optional={"reasoning_content": said}
)


@st.composite
def talks(draw):
    """A conversation that can be trained on, with anything that turns may carry."""
    turns = [*draw(st.lists(system, max_size=1)), draw(user)]
    turns += [*draw(st.lists(reply | user | called | result, max_size=4)), draw(last)]
    if draw(st.booleans()):
        turns[0] = {**turns[0], "tools": draw(st.lists(tool, min_size=1, max_size=2))}
    return turns


def read_back(lines):
    """Import lines as they would be read from a file."""
    records = [json.loads(line) for line in lines]
    columns = {name: [record[name] for record in records] for name in records[0]}
    reading = detect(list(columns), "auto", {}, columns)
    found, _ = to_examples(
        Rows(columns, range(len(records)), "index", []), reading.format, reading.parts
    )
    return found.messages


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(talks(), min_size=1, max_size=3),
    st.sampled_from(["messages", "sharegpt"]),
    st.booleans(),
)
def test_conversations_come_back_with_all_that_they_carry(rows, form, trained):
    shape = getattr(turn_formats, form)
    examples = [Example(i, f"{i}", "s", "", turns) for i, turns in enumerate(rows)]
    there = carried(examples)
    lines = []
    for example in examples:
        line = shape(example)
        line = for_trainer(line, there.turn_keys) if trained else line
        lines.append(JsonLines().line({**dict.fromkeys(there.columns.keys() & {"tools"}), **line}))
    assert read_back(lines) == rows


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(talks(), min_size=1, max_size=3))
def test_alpaca_comes_back_equal_or_refuses_by_name(rows):
    lines = []
    held = []
    refused = []
    for i, turns in enumerate(rows):
        try:
            lines.append(JsonLines().line(turn_formats.alpaca(Example(i, f"{i}", "s", "", turns))))
            held.append(turns)
        except InputError as e:
            refused.append(f"{e}")
    assert all(re.match(r"row \d has .* use --format messages", text, re.S) for text in refused)
    assume(held)
    names = dict.fromkeys(name for line in lines for name in json.loads(line))
    full = [JsonLines().line({**dict.fromkeys(names), **json.loads(line)}) for line in lines]
    assert read_back(full) == held


def everything(i):
    """Rows of every kind, with an odd order of keys and keys that only some have."""
    call = {
        "id": f"c{i}",
        "type": "function",
        "function": {"name": "add", "arguments": f'{{"a":{i}}}'},
    }
    tools = [{"type": "function", "function": {"name": "add", "parameters": {f"k{i}": None}}}]
    kinds = [
        {
            "messages": [
                {"role": "user", "content": f"Add {i}."},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": f"c{i}", "name": "add", "content": f"{i}"},
                {"role": "assistant", "content": f"It is {i}."},
            ],
            "tools": tools,
        },
        {
            "id": f"odd {i}",
            "messages": [
                {"content": f"Question {i}?", "role": "user"},
                {"role": "assistant", "content": "Wrong.", "weight": 0},
                {"role": "user", "content": "No."},
                {"role": "assistant", "content": f"Right {i}.", "weight": 1},
            ],
            "note": None,
        },
        {
            "messages": [
                {"role": "system", "content": ""},
                {"role": "user", "content": f"Think {i}.", "name": "Ann"},
                {"role": "assistant", "reasoning_content": f"Hm {i}.", "content": f"So {i}."},
            ],
            "score": 0.5,
        },
    ]
    return kinds[i % 3]


@pytest.mark.parametrize("form", ["messages", "sharegpt", "jsonl", "parquet", "datasets"])
def test_rows_of_every_kind_come_back_from_disk(form, tmp_path):
    workspace, _, chosen = load(tmp_path, [everything(i) for i in range(30)])
    out = write_export(workspace, chosen, tmp_path / "out", format=form)
    expected = dataset.examples(workspace.open(chosen).ancestor("dataset"))
    expected = expected.iloc[chosen_rows(workspace, chosen)["row"]]
    found = dataset.examples(again(workspace, out))
    assert {"tools", "train", "tool_calls", "reasoning_content", "name"} <= {
        key for turns in found["messages"] for turn in turns for key in turn
    }
    assert found["messages"].tolist() == expected["messages"].tolist()
    assert "What was left out" in (out / "README.md").read_text()
