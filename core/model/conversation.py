"""A conversation: turns with a role and a content, and what some turns carry beside their text.

Nearly every turn is `{"role": ..., "content": ...}` with role system, user, assistant or tool. The
keys of EXTRAS stand on a turn only where the data has them. In examples.parquet the column
`messages` holds role and content, and `extras` the rest as JSON text, null for most rows; datasets
made before there were extras have no such column.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

Turn = dict[str, Any]

EXTRAS = {
    "train": "False on an assistant turn that is context only: read, never trained on",
    "reasoning_content": "text thought before the content; templates put it in their own marks",
    "tool_calls": "list of calls of an assistant turn, as OpenAI writes them",
    "tool_call_id": "text on a tool turn: which call it answers",
    "name": "text: who speaks, or which tool",
    "tools": "list of tool descriptions; on the first turn only, for the whole conversation",
}


def is_trained(turn: Turn) -> bool:
    """Return whether a turn is one to learn: the assistant's, unless marked as context."""
    return turn["role"] == "assistant" and turn.get("train", True) is not False


def tools_of(turns: Sequence[Turn]) -> list[Any] | None:
    """Return the tools that the conversation offers, None without any."""
    return turns[0].get("tools") if turns else None


def shown(turn: Turn) -> str:
    """Return what a turn says: its content, then its calls of tools, as JSON, a line each."""
    if "tool_calls" not in turn:
        return str(turn["content"])
    calls = [json.dumps(c["function"], ensure_ascii=False) for c in turn["tool_calls"]]
    return "\n".join([turn["content"], *calls] if turn["content"] else calls)


def split_extras(turns: Sequence[Turn]) -> tuple[list[dict[str, str]], str | None]:
    """Return what the store keeps: role and content of every turn, and the rest as JSON text."""
    plain = [{"role": t["role"], "content": t["content"]} for t in turns]
    extras = {str(i): more for i, t in enumerate(turns) if (more := _more(t))}
    return plain, json.dumps(extras, ensure_ascii=False) if extras else None


def join_extras(messages: Sequence[Turn], extras: str | None) -> list[Turn]:
    """Return the turns that `split_extras` took apart."""
    more = json.loads(extras) if extras else {}
    return [{**turn, **more.get(str(i), {})} for i, turn in enumerate(messages)]


def stored_columns(names: Sequence[str]) -> list[str]:
    """Return the columns of a store that hold its conversations, given those it has."""
    return [name for name in ("messages", "extras") if name in names]


def conversations(table: pa.Table | pa.RecordBatch) -> list[list[Turn]]:
    """Return the turns of every row of a table with the stored columns."""
    messages = table.column("messages").to_pylist()
    if "extras" not in table.schema.names:
        return [list(turns) for turns in messages]
    extras = table.column("extras").to_pylist()
    return [join_extras(*row) for row in zip(messages, extras, strict=True)]


def with_extras(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of stored columns with whole turns in `messages` and no `extras`."""
    extras = frame.get("extras", pd.Series(None, index=frame.index, dtype=object))
    talks = [
        join_extras(list(turns), more if isinstance(more, str) else None)
        for turns, more in zip(frame["messages"], extras, strict=True)
    ]
    whole = pd.Series(talks, index=frame.index, dtype=object)
    return frame.drop(columns="extras", errors="ignore").assign(messages=whole)


def _more(turn: Turn) -> dict[str, Any]:
    return {key: turn[key] for key in EXTRAS if key in turn}
