"""How a conversation is written by formats that are made of turns.

What a turn carries beside its text (`core.model.conversation.EXTRAS`) is written as OpenAI does:
`tool_calls`, `tool_call_id`, `name` and `reasoning_content` as they are, a reply that is context
only as `"weight": 0`, the tools on offer beside the turns.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from core.dataset.row_formats import Turn
from core.errors import InputError
from core.model.conversation import EXTRAS, is_trained, tools_of

SHAREGPT = {"user": "human", "assistant": "gpt", "system": "system", "tool": "observation"}
CALLED = "function_call"
"""Who speaks in ShareGPT where the assistant calls tools and says nothing."""
BESIDE = tuple(key for key in EXTRAS if key not in ("train", "tools"))
"""Keys of a turn that are written as they are."""


class Example(NamedTuple):
    """A selected row as it was understood."""

    row: int
    id: str
    source: str
    answer: str
    """Empty where there is none."""
    turns: list[Turn]


def alpaca(example: Example) -> dict[str, Any]:
    """Return a question and its answer as instruction and output; a system turn has its own key.

    Raises:
        InputError: the row is not one question and one answer, or has more than their texts.
    """
    roles = [turn["role"] for turn in example.turns]
    first = roles.index("user") if "user" in roles else 0
    if roles[:first] not in ([], ["system"]) or roles[first:] != ["user", "assistant"]:
        raise InputError(
            f"row {example.row} has the turns {', '.join(roles)}; alpaca holds one question and "
            "one answer: use --format messages or sharegpt"
        )
    more = [key for turn in example.turns for key in turn if key in EXTRAS and key != "tools"]
    if more:
        raise InputError(
            f"row {example.row} has {more[0]}, for which alpaca has no place; use --format "
            "messages or sharegpt"
        )
    system, question, answer = ["", *(turn["content"] for turn in example.turns)][-3:]
    made = {"instruction": question, "input": "", "output": answer, "system": system}
    if "system" in roles and not system.strip():
        made["empty_system"] = True  # for most data an empty cell means that there is no such turn
    return made | _tools(example)


def messages(example: Example) -> dict[str, Any]:
    """Return the turns as OpenAI writes them."""
    turns = []
    for turn in example.turns:
        silent = "tool_calls" in turn and not turn["content"]
        said = None if silent else turn["content"]
        turns.append({"role": turn["role"], "content": said, **_beside(turn)})
    return {"messages": turns} | _tools(example)


def sharegpt(example: Example) -> dict[str, Any]:
    """Return the turns as ShareGPT writes them.

    A call of tools without a word is a turn of its own kind, its calls as names and arguments.
    """
    turns = []
    for turn in example.turns:
        who, said = SHAREGPT[turn["role"]], turn["content"]
        if turn["role"] == "assistant" and not said and (called := _called(turn)):
            who, said = CALLED, called
        turns.append({"from": who, "value": said, **_beside(turn)})
    return {"conversations": turns} | _tools(example)


def _beside(turn: Turn) -> dict[str, Any]:
    out = {key: turn[key] for key in BESIDE if key in turn}
    marked = turn["role"] == "assistant" and not is_trained(turn)
    return out | ({"weight": 0} if marked else {})


def _tools(example: Example) -> dict[str, Any]:
    tools = tools_of(example.turns)
    return {} if tools is None else {"tools": tools}


def _called(turn: Turn) -> str:
    """Return a turn's calls as JSON of names and arguments; "" where it has none such."""
    calls = []
    for call in turn.get("tool_calls", []):
        function = call.get("function", {})
        try:
            arguments = json.loads(function["arguments"])
        except (KeyError, TypeError, ValueError):
            arguments = function.get("arguments", {})
        calls.append({"name": function.get("name"), "arguments": arguments})
    if not calls:
        return ""
    return json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)


def for_trainer(line: dict[str, Any], turn_keys: Iterable[str]) -> dict[str, Any]:
    """Return a line as trainers read it best: by a table reader.

    It fills in keys that only some rows have, at any depth. So the tools are JSON text, every turn
    has the same keys, and a turn without words has an empty text, which templates can join.
    """
    out = {**line}
    if "tools" in line:
        out["tools"] = json.dumps(line["tools"], ensure_ascii=False)
    for column in ("messages", "conversations"):
        if column in line:
            out[column] = [
                {**turn, **{key: None for key in turn_keys if key not in turn}}
                | ({"content": ""} if turn.get("content", "") is None else {})
                for turn in line[column]
            ]
    return out


class Carried(NamedTuple):
    """What rows carry beside texts, each as the number of rows that do."""

    rows: int
    columns: dict[str, None]
    """Keys of the lines that some row has, in order."""
    turn_keys: dict[str, None]
    """Keys of the turns that some row has, in order."""
    tools: int
    tool_calls: int
    marked: int
    """Rows with a reply that is context only."""
    marked_replies: int
    reasoning: int
    names: int
    empty_system: int


NOTHING = Carried(0, {}, {}, 0, 0, 0, 0, 0, 0, 0)


def carried(examples: Iterable[Example]) -> Carried:
    """Count what rows carry beside texts."""
    n = tools = calls = marked = replies = reasoning = names = empty = 0
    columns: dict[str, None] = {}
    turn_keys: dict[str, None] = {}
    for example in examples:
        n += 1
        turns = example.turns
        keys = {key for turn in turns for key in turn}
        off = sum(turn["role"] == "assistant" and not is_trained(turn) for turn in turns)
        tools += "tools" in keys
        calls += "tool_calls" in keys
        marked += off > 0
        replies += off
        reasoning += "reasoning_content" in keys
        names += "name" in keys
        no_words = any(t["role"] == "system" and not t["content"].strip() for t in turns)
        empty += no_words
        columns |= {"empty_system": None} if no_words else {}
        columns |= {"tools": None} if "tools" in keys else {}
        for turn in turns:
            turn_keys |= dict.fromkeys(_beside(turn))
    return Carried(n, columns, turn_keys, tools, calls, marked, replies, reasoning, names, empty)
