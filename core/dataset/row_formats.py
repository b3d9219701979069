"""What a row may look like: rows become messages.

A new row format is one function and one entry in FORMATS. Texts are kept verbatim; what cannot be
used is skipped with its place and a reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from core.dataset.readers import JSON, SkippedRow
from core.errors import InputError

Turn = dict[str, str]


def text(value: Any) -> str:
    """Return a cell as text: "" for a missing one, numbers as Python writes them.

    Raises:
        SkippedRow: it is no text.
    """
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:  # a lone surrogate
                raise SkippedRow("not text") from None
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise SkippedRow("not text")


ROLES = {
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "model", "bot"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation"), "tool"),
}


def _chat(cells: dict[str, Any]) -> list[Turn]:
    items = cells["chat"]
    if isinstance(items, str):  # a list in a CSV cell
        try:
            items = JSON.decode(items.strip() or "[]")
        except (ValueError, RecursionError):
            raise SkippedRow("not text") from None
    turns = _system(cells)
    for item in [] if items is None else items if isinstance(items, list) else [items]:
        if not isinstance(item, dict):
            raise SkippedRow("not text")
        role = ROLES.get(str(item.get("role") or item.get("from")).lower())
        if role is None:
            raise SkippedRow("unknown role")
        content = item.get("value") if item.get("content") is None else item["content"]
        if isinstance(content, list):  # OpenAI's content parts; images and sound are no text
            if not all(isinstance(p, dict) and p.get("type", "text") == "text" for p in content):
                raise SkippedRow("not text")
            content = "".join(text(part.get("text")) for part in content)
        turns.append({"role": role, "content": text(content)})
    return turns


def _pair(cells: dict[str, Any]) -> list[Turn]:
    prompt, more = text(cells.get("prompt")), text(cells.get("input"))
    prompt += ("\n\n" if prompt and more else "") + more
    turns = _system(cells)
    if "prompt" in cells:
        turns.append({"role": "user", "content": prompt})
    if "response" in cells:
        turns.append({"role": "assistant", "content": text(cells["response"])})
    if "prompt" in cells and not prompt.strip() and text(cells.get("response", "-")).strip():
        raise SkippedRow("empty prompt")
    return turns


def _system(cells: dict[str, Any]) -> list[Turn]:
    content = text(cells.get("system"))
    return [{"role": "system", "content": content}] if content.strip() else []


class Format(NamedTuple):
    """A row format: how its cells become turns, and which columns may play which part in it."""

    turns: Callable[[dict[str, Any]], list[Turn]]
    parts: dict[str, tuple[str, ...]]
    """Part -> column names, best first. "chat", or "prompt" and "response", must be found."""
    columns_by_hand: bool = False
    """Whether a person may name the columns of the prompt and the response."""


SYSTEM = {"system": ("system", "system_prompt")}
ALPACA = {"input": ("input", "context"), **SYSTEM}
ALPACA_RESPONSE = ("output", "response", "completion")
QA_RESPONSE = ("response", "solution", "output", "completion", "answer")
COMMON = {
    "source": ("source", "task", "category", "topic", "dataset", "subset", "data_source"),
    "answer": ("answer",),
    "id": ("id", "uuid"),
}
FORMATS = {  # in the order of detection
    "messages": Format(_chat, {"chat": ("messages",), **SYSTEM}),
    "sharegpt": Format(_chat, {"chat": ("conversations", "conversation"), **SYSTEM}),
    "alpaca": Format(
        _pair,
        {"prompt": ("instruction",), "response": ALPACA_RESPONSE, **ALPACA},
        columns_by_hand=True,
    ),
    "prompt_completion": Format(
        _pair,
        {"prompt": ("prompt",), "response": ("completion", "response", "output"), **SYSTEM},
        columns_by_hand=True,
    ),
    "question_answer": Format(
        _pair,
        {"prompt": ("question", "problem", "query"), "response": QA_RESPONSE, **SYSTEM},
        columns_by_hand=True,
    ),
    "columns": Format(_pair, {}, columns_by_hand=True),
}


def detect(
    columns: Sequence[str], wanted: str, named: dict[str, str]
) -> tuple[str, dict[str, str]]:
    """Choose the format, and the column of each part.

    Args:
        columns: What the data has.
        wanted: A format, or "auto".
        named: The user's choice for some parts: prompt, response, source, answer, split, id.

    Returns:
        The format's name, and part -> column. Without "chat" and "response", it is an evaluation
        file: answers only.

    Raises:
        InputError: a named column does not exist, or no format fits.
    """
    shown = ", ".join(repr(c[:40]) for c in columns[:30])
    for part, column in named.items():
        if column not in columns:
            raise InputError(f"--{part}-column {column!r}: no such column; there are {shown}")
    lower = {c.lower(): c for c in reversed(columns)}

    def find(parts: dict[str, tuple[str, ...]]) -> dict[str, str]:
        found = {p: [lower[n] for n in names if n in lower] for p, names in parts.items()}
        return {p: names[0] for p, names in found.items() if names} | named

    own = {"prompt", "response"} & named.keys()
    tried = list(FORMATS) if wanted == "auto" else [wanted]
    if wanted == "auto" and own:
        tried = ["columns"] if len(own) == 2 else [n for n in tried if FORMATS[n].columns_by_hand]
    for evaluation in (False, True):
        for name in tried:
            parts = find({**COMMON, **FORMATS[name].parts})
            if "answer" not in named and parts.get("answer") == parts.get("response", ""):
                del parts["answer"]
            other = "answer" if evaluation else "response"
            if "chat" in parts or (other in parts and ("prompt" in parts or name == "columns")):
                return name, parts
    what = "no usable column" if wanted == "auto" else f"--format {wanted} does not fit"
    raise InputError(
        f"{what}: there are {shown}; name two of them with --prompt-column and --response-column"
    )
