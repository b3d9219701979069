"""What a row may look like: rows become messages.

A new row format is one function and one entry in ROW_FORMATS. Texts are kept verbatim; what cannot
be used is skipped with its place and a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from core.dataset import radiology, transcripts
from core.dataset.cells import (
    are_answers,
    first_answer,
    is_answers,
    missing,
    paragraphs,
    structure,
    text,
)
from core.dataset.chat_cells import chat, is_chat
from core.dataset.choices import listed
from core.dataset.column_names import (
    ALPACA_RESPONSE,
    CHAT,
    CONTEXT,
    MORE,
    NAMES_CHOICE,
    OPTIONS,
    QA_RESPONSE,
    SYSTEM,
    TOOLS,
)
from core.dataset.readers import SkippedRow
from core.dataset.tool_calls import calls, tools
from core.model.conversation import Turn as Turn

Cells = dict[str, Any]
"""Part -> cell of one row."""


def _chat(cells: Cells) -> list[Turn]:
    turns = chat(cells["chat"])
    system = _system(cells)
    if system and turns and turns[0]["role"] == "system":
        first = turns[0]["content"]
        joined = first if first == system[0]["content"] else f"{system[0]['content']}\n\n{first}"
        return _with_tools(cells, [{**turns[0], "content": joined}, *turns[1:]])
    return _with_tools(cells, [*system, *turns])


def _pair(cells: Cells) -> list[Turn]:
    asked, replied = cells.get("prompt"), cells.get("response")
    if _is_turns(replied):
        reply = chat(replied)
        if any(turn["role"] == "user" for turn in reply):  # whole, its prompt included
            return _with_tools(cells, _opened(cells, reply))
    else:
        lists = is_answers(replied) or ("accepted" in cells and are_answers(replied))
        said = first_answer(replied) if lists else text(replied)
        reply = [{"role": "assistant", "content": said}] if "response" in cells else []
    if _is_turns(asked):
        return _with_tools(cells, [*_opened(cells, chat(asked)), *reply])
    prompt = _prompt(cells)
    turns = [*_system(cells), *_history(cells)]
    if "prompt" in cells:
        turns.append({"role": "user", "content": prompt})
        if not prompt.strip() and (
            "response" not in cells or any(t["content"].strip() for t in reply)
        ):
            raise SkippedRow("empty prompt")
    return _with_tools(cells, turns + reply)


def _prompt(cells: Cells) -> str:
    """Return the prompt: its column, then what belongs to it, a blank line between."""
    out = text(cells.get("prompt"))
    for part in ("input", "context"):
        more = paragraphs(cells.get(part))
        out += ("\n\n" if out and more else "") + more
    if not missing(cells.get("choices")):
        answer = cells.get("response", cells.get("answer"))
        out += "\n\n" + listed(cells["choices"], answer, int("choices_from_1" in cells))
    return out


def _preference(cells: Cells) -> list[Turn]:
    chosen = cells["response"]
    if isinstance(chosen, str) and (said := transcripts.turns(chosen)):
        return _opened(cells, said)
    return _pair(cells)


def _called(cells: Cells) -> list[Turn]:
    asked: Turn = {"role": "user", "content": text(cells["prompt"])}
    reply: Turn = {"role": "assistant", "content": "", "tool_calls": calls(cells["calls"])}
    if not reply["tool_calls"]:
        raise SkippedRow("empty response")
    return _with_tools(cells, [*_system(cells), asked, reply])


def _options(cells: Cells) -> list[Turn]:
    options = [cells[part] for part in OPTIONS if not missing(cells.get(part))]
    return _pair({**cells, "choices": options})


def _radiology(cells: Cells) -> list[Turn]:
    report = radiology.read(cells)
    return [
        {"role": "user", "content": report.prompt},
        {"role": "assistant", "content": report.impression},
    ]


def _transcript(cells: Cells) -> list[Turn]:
    written = text(cells["chat"])
    said = transcripts.turns(written)
    if written.strip() and not said:
        raise SkippedRow("text without marks of who speaks")
    return _opened(cells, said)


def _opened(cells: Cells, turns: list[Turn]) -> list[Turn]:
    opened = bool(turns) and turns[0]["role"] == "system"
    return turns if opened else [*_system(cells), *turns]


def _is_turns(cell: Any) -> bool:
    """Return whether a cell of a prompt or a response is turns: a text only where it says roles."""
    if isinstance(cell, str):
        return cell.lstrip()[:1] == "[" and '"role"' in cell[:200] and is_chat(cell)
    return isinstance(cell, list | dict) and is_chat(cell)


def _system(cells: Cells) -> list[Turn]:
    cell = structure(cells.get("system"))
    if isinstance(cell, dict) and isinstance(cell.get("parts"), list):  # Gemini's
        content = "".join(
            text(part.get("text")) for part in cell["parts"] if isinstance(part, dict)
        )
    else:
        content = text(cells.get("system"))
    kept = content.strip() or cells.get("empty_system") is True
    return [{"role": "system", "content": content}] if kept else []


def _history(cells: Cells) -> list[Turn]:
    turns = structure(cells.get("history"))
    return chat(turns) if isinstance(turns, list) else []


def _with_tools(cells: Cells, turns: list[Turn]) -> list[Turn]:
    if turns and "tools" in cells and (offered := tools(cells["tools"])):
        return [{**turns[0], "tools": offered}, *turns[1:]]
    return turns


class RowFormat(NamedTuple):
    """A row format: how its cells become turns, and which columns may play which part in it."""

    turns: Callable[[Cells], list[Turn]]
    parts: dict[str, tuple[str, ...]]
    """Part -> column names, best first."""
    needs: tuple[str, ...] = ("prompt", "response")
    """Parts without which it does not fit; a file to test with has an answer for its response."""
    columns_by_hand: bool = False
    """Whether a person may name the columns of the prompt and the response."""
    by_choice: bool = False
    """Whether it is taken only where a person asks for it."""
    title: str = "columns as they were named"
    """What a person is told that it is."""
    likely: bool = False
    """Whether its columns alone do not make it sure."""


ROW_FORMATS = {  # in the order of detection
    "messages": RowFormat(_chat, {"chat": ("messages",), **CHAT}, ("chat",), title="conversations"),
    "sharegpt": RowFormat(
        _chat, {"chat": ("conversations", "conversation"), **CHAT}, ("chat",), title="conversations"
    ),
    "gemini": RowFormat(
        _chat,
        {"chat": ("contents",), "system": ("systeminstruction", "system_instruction"), **TOOLS},
        ("chat",),
        title="conversations",
    ),
    "function_calls": RowFormat(
        _called,
        {"prompt": ("query", "question"), "calls": ("answers",), "tools": ("tools",), **SYSTEM},
        ("prompt", "calls", "tools"),
        title="questions that are answered by calls of tools",
    ),
    "options": RowFormat(
        _options,
        {
            "prompt": ("question", "query", "prompt", "goal", "sentence", "startphrase"),
            "response": ("answerkey", "answer_key", "answer", "correct", *NAMES_CHOICE),
            "context": CONTEXT,
            **OPTIONS,
        },
        ("prompt", "response", "option_1", "option_2"),
        title="questions with a column for each choice",
        likely=True,
    ),
    "alpaca": RowFormat(
        _pair,
        {"prompt": ("instruction",), "response": ALPACA_RESPONSE, "input": ("input",), **MORE},
        columns_by_hand=True,
        title="instructions and outputs",
    ),
    "prompt_completion": RowFormat(
        _pair,
        {
            "prompt": ("prompt",),
            "response": ("completion", "response", "output", "canonical_solution"),
            **MORE,
        },
        columns_by_hand=True,
        title="prompts and completions",
    ),
    "question_answer": RowFormat(
        _pair,
        {
            "prompt": ("question", "problem", "query", "question_stem", "ctx"),
            "response": QA_RESPONSE,
            **MORE,
        },
        columns_by_hand=True,
        title="questions and answers",
    ),
    "two_columns": RowFormat(
        _pair,
        {
            "prompt": (
                *(
                    "inputs_pretokenized",
                    "findings",
                    "inputs",
                    "input",
                    "dialogue",
                    "dialog",
                    "article",
                    "document",
                ),
                *(
                    "context",
                    "question",
                    "sql_prompt",
                    "task",
                    "text",
                    "user",
                    "human",
                    "src",
                    "source",
                ),
            ),
            "response": (
                *(
                    "impression",
                    "impressions",
                    "targets_pretokenized",
                    "targets",
                    "target",
                    "summary",
                    "highlights",
                ),
                *("output", "response", "completion", "solution", "assistant", "tgt"),
                *("code", "sql", "query"),
            ),
            **MORE,
        },
        title="pairs of a prompt and a reply",
        likely=True,
    ),
    "transcript": RowFormat(
        _transcript,
        {"chat": ("text", "chat", "transcript"), **CHAT},
        ("chat",),
        title="transcripts",
        likely=True,
    ),
    "preference": RowFormat(
        _preference,
        {"prompt": ("prompt", "question", "instruction", "input"), "response": ("chosen",), **CHAT},
        ("response",),
        by_choice=True,
        title="preferred replies",
    ),
    "radiology": RowFormat(
        _radiology,
        {
            "text": ("text",),
            "category": ("category",),
            "iserror": ("iserror",),
            "source": ("description",),
        },
        ("text",),
        by_choice=True,
        title="radiology reports: the impression from the findings",
    ),
    "columns": RowFormat(_pair, {}, ("response",), columns_by_hand=True),
}
