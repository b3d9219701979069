"""What the columns of a file mean, by widgets: the mapping that `--map` takes."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.dataset import mapping
from core.dataset.detection import Reading
from core.dataset.report import parts_of
from dashboard.escape import one_line, plain
from dashboard.frame import state

MODES = {
    "detected": "As detected",
    "prompt": "Prompt and reply",
    "conversation": "A conversation in one column",
}
TITLES = {"response": "Reply", "system": "System prompt", "conversation": "Conversation"} | {
    part: part.capitalize() for part in ("source", "answer", "split", "id")
}
"""Part -> label of its widget."""
NAMED = ("source", "answer", "split", "id")
NONE = "none"


def ask(key: str, columns: list[str], detected: Reading | None) -> str:
    """Ask what the columns mean and return the mapping; "" for what was detected.

    Args:
        key: Prefix of the widgets, one for each file.
        columns: Of the file.
        detected: What is understood without a mapping; None where nothing is clear.
    """
    modes = [mode for mode in MODES if mode != "detected" or detected is not None]
    _begin(key, modes[0], parts_of(detected.columns) if detected else {})
    _earlier(key, columns, modes)
    mode = st.segmented_control(
        "What a row holds",
        modes,
        format_func=MODES.__getitem__,
        key=f"{key}:mode",
        required=True,
        help="Say yourself what the columns mean where the rows below are not as they should be",
    )
    parts: dict[str, str] = {}
    if mode == "prompt":
        left, right = st.columns(2)
        left.multiselect(
            "Prompt, in this order",
            columns,
            key=f"{key}:prompt_columns",
            on_change=_join,
            args=(key,),
        )
        parts["prompt"] = left.text_area(
            "Prompt as a template",
            key=f"{key}:template",
            height="content",
            help="Columns stand in braces; what is written around them is in every prompt",
        )
        for part in ("response", "system"):
            parts[part] = _column(right, key, part, columns)
    elif mode == "conversation":
        parts["conversation"] = _column(st, key, "conversation", columns)
    found = parts_of(detected.columns) if detected else {}
    for where, part in zip(st.columns(len(NAMED)), NAMED, strict=True):
        by_name = f"{one_line(found[part], 40)}, by its name" if part in found else NONE
        parts[part] = _column(where, key, part, columns, by_name)
    return mapping.write(parts)


def add_to_prompt(key: str, detected: Reading, column: str) -> None:
    """Put a column at the end of the prompt; call it from a callback."""
    _begin(key, "prompt", parts_of(detected.columns))
    template = st.session_state[f"{key}:template"]
    st.session_state[f"{key}:template"] = f"{template}\n\n{{{column}}}".strip()
    st.session_state[f"{key}:prompt_columns"] = [
        *st.session_state[f"{key}:prompt_columns"],
        column,
    ]
    st.session_state[f"{key}:mode"] = "prompt"


def _begin(key: str, mode: str, parts: dict[str, str]) -> None:
    """Give the widgets of a file their first values, once; they are kept when they are hidden."""
    prompt = parts.get("prompt", "")
    single = f"{{{prompt}}}" if prompt and "{" not in prompt else prompt
    first = {
        "mode": mode,
        "template": single,
        "prompt_columns": mapping.FIELD.findall(single),
        "response": parts.get("response"),
        "system": parts.get("system"),
        "conversation": parts.get("conversation"),
    }
    for name, value in first.items():
        kept = st.session_state.get(f"{key}:{name}", value)
        st.session_state[f"{key}:{name}"] = kept


def _join(key: str) -> None:
    chosen = st.session_state[f"{key}:prompt_columns"]
    st.session_state[f"{key}:template"] = "\n\n".join(f"{{{column}}}" for column in chosen)


def _column(where: Any, key: str, part: str, columns: list[str], unchosen: str = NONE) -> str:
    chosen: str | None = where.selectbox(
        TITLES[part],
        columns,
        index=None,
        key=f"{key}:{part}",
        placeholder=unchosen,
    )
    return chosen or ""


def _earlier(key: str, columns: list[str], modes: list[str]) -> None:
    """Offer the mappings of earlier datasets."""
    declared = {
        entry.id: (entry.name, str(entry.config.get("map")))
        for entry in state.sealed("dataset")
        if entry.config.get("map")
    }
    if not declared:
        return
    names = state.distinct({id: plain(name) for id, (name, _) in declared.items()})
    st.selectbox(
        "As in an earlier import",
        list(declared),
        index=None,
        format_func=names.__getitem__,
        key=f"{key}:earlier",
        placeholder=NONE,
        on_change=_take,
        args=(key, columns, modes, {id: text for id, (_, text) in declared.items()}),
    )


def _take(key: str, columns: list[str], modes: list[str], declared: dict[str, str]) -> None:
    """Set the widgets to an earlier mapping; columns that this file lacks stay unchosen."""
    chosen = st.session_state[f"{key}:earlier"]
    if chosen is None:
        st.session_state[f"{key}:mode"] = modes[0]
        return
    parts = mapping.lines(declared[chosen])
    lower = {column.strip().lower(): column for column in reversed(columns)}
    for part in TITLES:
        named = parts.get(part, "").strip()
        column = named if named in columns else lower.get(named.lower())
        st.session_state[f"{key}:{part}"] = column
    template = parts.get("prompt", "")
    if template and "{" not in template:
        template = f"{{{template.strip()}}}"
    st.session_state[f"{key}:template"] = template.replace("\\n", "\n")
    fields = mapping.FIELD.findall(template)
    st.session_state[f"{key}:prompt_columns"] = [field for field in fields if field in columns]
    fallback = "prompt" if parts.keys() & {"prompt", "response"} else modes[0]
    st.session_state[f"{key}:mode"] = "conversation" if "conversation" in parts else fallback
