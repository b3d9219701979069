"""A cell that holds a conversation becomes turns, whatever its shape.

Shapes: a list of turns with role and content (OpenAI, ShareGPT, Gemini), of texts by turns (LIMA,
UltraChat), of question-and-reply pairs as lists or objects (histories, Capybara), an object of
lists, and a text with marks; each also as JSON or Python text.
"""

from __future__ import annotations

from typing import Any

from core.dataset import transcripts
from core.dataset.cells import missing, structure, text
from core.dataset.readers import SkippedRow
from core.dataset.roles import CALLS, name_of, role_of
from core.dataset.tool_calls import calls
from core.model.conversation import Turn

SPEAKERS = ("role", "from", "speaker")
CONTENTS = ("content", "value", "text", "parts")
MARKS = ("train", "training", "trainable", "loss", "weight")
"""Keys by which a reply is said to be context only, where they are 0 or false."""
REASONING = ("reasoning_content", "reasoning", "thinking")
ASKED = ("user", "human", "input", "instruction", "question", "prompt")
REPLIED = ("assistant", "gpt", "bot", "ai", "output", "response", "answer", "completion")
READ_KEYS = {
    *(*SPEAKERS, *CONTENTS, *MARKS, *REASONING, *ASKED, *REPLIED),
    *("system", "tool_calls", "function_call", "tool_call_id", "name"),
}
"""Keys of a turn of which something is made."""


def chat(cell: Any) -> list[Turn]:
    """Return the turns of a conversation; none of an empty cell.

    Raises:
        SkippedRow: it holds something that is no turn, or none whose role is known.
    """
    value = structure(cell)
    if missing(value):
        return []
    if isinstance(value, str):
        if said := transcripts.turns(value):
            return said
        if not value.strip():
            return []
        raise SkippedRow("text that is no list of turns")
    if isinstance(value, dict):
        value = _items(value)
    if not isinstance(value, list):
        raise SkippedRow("not text")
    if value and all(isinstance(item, str) for item in value):
        return _by_turns(value)
    out: list[Turn] = []
    for item in value:
        if isinstance(item, dict):
            out += _turns(item)
        elif isinstance(item, list) and len(item) == 2:
            out += _by_turns([part for part in item if not missing(part)])
        else:
            raise SkippedRow("not text")
    return out


def is_chat(cell: Any) -> bool:
    """Return whether a cell looks like a conversation: by its shape, not by what is said."""
    value = structure(cell)
    if isinstance(value, str):
        return bool(transcripts.turns(value))
    if isinstance(value, dict):
        value = _items(value)
    if not isinstance(value, list) or not value:
        return False
    first = value[0]
    if isinstance(first, dict):
        keys = {str(key).lower() for key in first}
        has_role = bool(keys & {*SPEAKERS}) and bool(keys & {*CONTENTS, "tool_calls"})
        return has_role or (bool(keys & {*ASKED}) and bool(keys & {*REPLIED}))
    return all(isinstance(item, list) and len(item) == 2 for item in value)


def list_of_turns(cell: Any) -> list[dict[str, Any]]:
    """Return the objects that a cell has as turns; none of a cell without any."""
    value = structure(cell)
    value = _items(value) if isinstance(value, dict) else value
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


def is_texts(cell: Any) -> bool:
    """Return whether a cell is a list of texts, at least a question and a reply."""
    value = structure(cell)
    several = isinstance(value, list) and len(value) > 1
    return several and all(isinstance(item, str) for item in value)


def _by_turns(said: list[Any]) -> list[Turn]:
    return [
        {"role": ("user", "assistant")[i % 2], "content": text(part)} for i, part in enumerate(said)
    ]


def _items(columns: dict[str, Any]) -> list[Any]:
    """Return an object as turns: one of lists, one with the turns within, or a single turn."""
    inside = next((columns[k] for k in ("messages", "conversations") if k in columns), None)
    if isinstance(inside, list):
        return inside
    lists = {key: part for key, part in columns.items() if isinstance(part, list)}
    if lists.keys() & {*SPEAKERS} and len({len(part) for part in lists.values()}) == 1:
        return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    return [columns]


def _turns(item: dict[str, Any]) -> list[Turn]:
    """Return the turn of an object, or the two of a question and its reply."""
    speaker = next((item[key] for key in SPEAKERS if item.get(key) is not None), None)
    if speaker is None:
        return _pair(item)
    name = name_of(str(speaker))
    role = role_of(name)
    if role is None:
        raise SkippedRow(f"unknown role {str(speaker)[:30]!r}")
    value = next((item[key] for key in CONTENTS if item.get(key) is not None), None)
    turn: Turn = {"role": role, "content": ""}
    more: list[Turn] = []
    called = item.get("tool_calls") if name in CALLS else None  # the content says them again
    if name in CALLS and (called is None or isinstance(structure(value), list | dict)):
        turn["tool_calls"] = calls(called or value)
    elif isinstance(value, list) and any(isinstance(part, dict) for part in value):
        more = _parts(turn, value)
    else:
        turn["content"] = text(value)
    if len(item) > 2 or value is None:
        _extras(turn, item)
    if role == "assistant" and value is None and len(turn) == 2:
        raise SkippedRow("empty response")
    return [*more, turn] if turn["content"] or len(turn) > 2 or not more else more


def _extras(turn: Turn, item: dict[str, Any]) -> None:
    """Add what a turn carries beside its text: keys of `core.model.conversation.EXTRAS`."""
    if turn["role"] == "assistant":
        if any(_is_no(item.get(key)) for key in MARKS):
            turn["train"] = False
        thought = next((item[key] for key in REASONING if item.get(key)), None)
        if isinstance(thought, str) and thought.strip():
            turn["reasoning_content"] = text(thought)
        called = item.get("tool_calls") or item.get("function_call")
        if called and (tool_calls := calls(called)):
            turn["tool_calls"] = tool_calls
    for key in ("tool_call_id", "name"):
        if isinstance(item.get(key), str) and item[key]:
            turn[key] = text(item[key])


def _is_no(mark: Any) -> bool:
    if isinstance(mark, str):
        return mark.strip().lower() in ("0", "0.0", "false", "no")
    return isinstance(mark, bool | int | float) and mark == 0


def _parts(turn: Turn, parts: list[Any]) -> list[Turn]:
    """Add a content that comes in parts to a turn; return the results of tools among them."""
    texts, results, called = [], [], []
    for part in parts:
        if isinstance(part, str):
            texts.append(text(part))
            continue
        part = {k: v for k, v in part.items() if v is not None} if isinstance(part, dict) else {}
        kind = part.get("type") or next((k for k in part if k != "thought"), "text")
        if kind == "text" and part.get("thought"):
            turn["reasoning_content"] = turn.get("reasoning_content", "") + text(part.get("text"))
        elif kind in ("text", "input_text", "output_text"):
            texts.append(text(part.get("text")))
        elif kind == "thinking":
            thought = text(part.get("thinking"))
            turn["reasoning_content"] = turn.get("reasoning_content", "") + thought
        elif kind in ("tool_use", "functionCall", "function_call"):
            called += calls(part if kind == "tool_use" else part[kind])
        elif kind in ("tool_result", "functionResponse", "function_response"):
            results.append(_result(part if kind == "tool_result" else part[kind]))
        else:
            raise SkippedRow(f"not text: content part {str(kind)[:30]!r}")
    turn["content"] = "".join(texts)
    if called:
        turn["tool_calls"] = called
    return results


def _result(part: dict[str, Any]) -> Turn:
    said: Turn = {"role": "tool", "content": ""}
    value = part.get("content", part.get("response"))
    if isinstance(value, list):
        _parts(said, value)
    else:
        said["content"] = text(value)
    for key, name in (("tool_call_id", "tool_use_id"), ("name", "name")):
        if isinstance(part.get(name), str):
            said[key] = part[name]
    return said


def _pair(item: dict[str, Any]) -> list[Turn]:
    """Return the turns of an object whose keys say who speaks."""
    out: list[Turn] = []
    for key, value in item.items():
        name = name_of(str(key))
        known = "system" if name == "system" else None
        role = "user" if name in ASKED else "assistant" if name in REPLIED else known
        if role and not missing(value):
            out.append({"role": role, "content": text(value)})
    if not out:
        raise SkippedRow("turn without a role")
    return sorted(out, key=lambda turn: ("system", "user", "assistant").index(turn["role"]))
