"""Example texts, page by page, exactly as they are: never as HTML or markdown."""

from __future__ import annotations

import base64
import contextlib
import copy
import html
import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.model.chat_template import Refused
from core.model.conversation import Turn, is_trained, tools_of
from core.model.templates import render_spans, renderer, reply_text, without_model
from core.model.token_roles import Piece, pieces
from core.model.tokenizers import END
from core.workspace.artifact import Artifact
from dashboard.frame import data

PER_PAGE = 20
LONGEST = 4000
"""Characters shown of one text; the rest is counted."""


def reader(dataset: str, rows: Sequence[int], key: str, facts: pd.DataFrame | None = None) -> None:
    """Show rows as question and answer, 20 a page.

    Args:
        rows: Rows, in the order to read them.
        facts: Indexed by row; its columns stand beside each row's number.
    """
    if not len(rows):
        st.caption("No rows.")
        return
    pages = -(-len(rows) // PER_PAGE)
    page = 1
    if pages > 1:
        with st.container(horizontal=True, vertical_alignment="center"):
            page = st.pagination(pages, key=f"{key}:page:{len(rows)}")
            st.caption(f"{len(rows):,} rows")
    part = [int(r) for r in rows[(page - 1) * PER_PAGE : page * PER_PAGE]]
    frame = data.examples(dataset, part, "row, id, source, prompt, response")
    known: dict[Any, dict[Any, Any]] = {} if facts is None else facts.loc[part].to_dict("index")
    for row, example in frame.iterrows():
        with st.container(border=True):
            extra = known.get(row, {})
            words = [
                f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
                for name, value in extra.items()
            ]
            st.text("   ".join([f"row {row:,}", str(example["source"]), *words]))
            left, right = st.columns(2)
            left.code(cut(example["prompt"]), language=None, wrap_lines=True)
            right.code(cut(example["response"]), language=None, wrap_lines=True)


def cut(text: str) -> str:
    """Shorten a very long text, saying by how much."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}\n… {len(text) - LONGEST:,} more characters"


def said(text: str) -> str:
    """Return an answer to be shown; one that cannot be seen is named."""
    if text and not text.strip():
        return f"(only {len(text):,} spaces and line breaks)"
    return cut(text) or "(nothing)"


TURN = "white-space:pre-wrap;overflow-wrap:anywhere;padding:.15rem .5rem;border-radius:.4rem"
TRAINED = "background:rgba(67,97,216,.14)"
FOUND = "color:inherit;background:rgba(240,176,60,.55)"
FAINT = "opacity:.65;font-size:.8rem"


def card(title: Sequence[str], picture: str, turns: Sequence[str], note: str = "") -> str:
    """Return a row as HTML: a line of facts with a small picture, a note, its turns.

    Args:
        title: Facts, any text.
        picture: SVG made here; the browser takes it as an image only.
        turns: HTML made by `turn`.
        note: What somebody wrote about the row, any text.
    """
    facts = " &nbsp;·&nbsp; ".join(html.escape(t) for t in title)
    if picture:
        coded = base64.b64encode(picture.encode()).decode()
        picture = f'<img alt="loss trajectory" src="data:image/svg+xml;base64,{coded}"/>'
    said = f'<div style="font-style:italic">Note: {html.escape(note)}</div>' if note else ""
    return (
        f'<div style="display:flex;gap:1rem;align-items:center;{FAINT}"><div style="flex:1">{facts}'
        f"</div>{picture}</div>{said}{''.join(turns)}"
    )


def written(turns: Sequence[Turn]) -> list[str]:
    """Return the text of every turn, with the thoughts, calls and tools that it has."""
    texts = [
        reply_text(_with_objects(t)) if t["role"] == "assistant" else str(t["content"])
        for t in turns
    ]
    if tools := tools_of(turns):
        texts[0] = f"Tools: {json.dumps(tools, ensure_ascii=False)}\n{texts[0]}"
    return texts


def _with_objects(turn: Turn) -> Turn:
    """Return a turn whose calls have their arguments as objects, as templates write them."""
    if "tool_calls" not in turn:
        return turn
    calls = copy.deepcopy(turn["tool_calls"])
    for call in calls:
        with contextlib.suppress(TypeError, KeyError, ValueError):  # no JSON: as it stands
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return {**turn, "tool_calls": calls}


def turn(one: Turn, text: str, marks: Sequence[tuple[int, int]] = ()) -> str:
    """Return a turn of a conversation as HTML: trained turns shaded, what was searched marked.

    Every character of the text is escaped.

    Args:
        one: The turn; a reply that is only context says so.
        text: What it says, as `written` gives it.
        marks: What to mark in it.
    """
    shown, end, body = text[:LONGEST], 0, []
    for a, b in marks:
        body.append(html.escape(shown[end:a]))
        body.append(f'<mark style="{FOUND}">{html.escape(shown[a:b])}</mark>')
        end = b
    body.append(html.escape(shown[end:]))
    if len(text) > LONGEST:
        body.append(f"\n… {len(text) - LONGEST:,} more characters")
    shade = TRAINED if is_trained(one) else ""
    context = " · only read" if one["role"] == "assistant" else ""
    return (
        f'<div style="{FAINT};margin-top:.4rem">{html.escape(one["role"])}'
        f"{' · trained' if shade else context}</div>"
        f'<div style="{TURN};{shade}">{"".join(body)}</div>'
    )


SHADES = {
    "read": ("transparent", "rgba(128,128,128,.14)"),
    "trained": ("rgba(67,97,216,.36)", "rgba(67,97,216,.20)"),
    "cut": ("transparent;opacity:.5;text-decoration:line-through",) * 2,
}
"""Neighbours differ, so that the borders of tokens show."""


def by_template(messages: list[Turn], template: str) -> list[Piece]:
    """Split what a model sees into what is trained and what is read, by character.

    Raises:
        Refused: the template cannot render it.
    """
    text, spans = render_spans(without_model(template, END), messages, template)
    parts: list[Piece] = []
    end = 0
    for a, b in spans:
        parts += [Piece(text[end:a], "read"), Piece(text[a:b], "trained")]
        end = b
    return [*parts, Piece(text[end:], "read")]


def by_proxy(messages: list[Turn], proxy: Artifact) -> list[Piece]:
    """Split a row into the tokens that a trained proxy saw, cut where it was cut.

    Raises:
        Refused: its template cannot render it.
    """
    tokenizer, template = data.tokenizer(proxy.id), str(proxy.config["template"])
    render = renderer(template, tokenizer)
    return pieces(tokenizer, render, messages, template, int(proxy.config["max_length"]))


def as_seen(messages: list[Turn], template: str, proxy: Artifact | None) -> str:
    """Return a row as HTML as a proxy saw it, or through a plain template where there is none."""
    try:
        parts = by_template(messages, template) if proxy is None else by_proxy(messages, proxy)
    except Refused as e:
        note = f'<div style="{FAINT}">not trained: {html.escape(str(e))}</div>'
        texts = zip(messages, written(messages), strict=True)
        return note + "".join(turn({**t, "train": False}, text) for t, text in texts)
    return coloured(parts)


def coloured(parts: list[Piece]) -> str:
    """Return HTML with every character of the texts escaped, each part in the shade of its role.

    Dataset text meets HTML in this module only: Streamlit has no other way to colour part of a
    text, and `html.escape` leaves nothing that could be a tag.
    """
    body, shown = [], 0
    for i, (text, role) in enumerate(parts):
        part = html.escape(text[: LONGEST - shown])
        body.append(f'<mark style="color:inherit;background:{SHADES[role][i % 2]}">{part}</mark>')
        shown += len(text)
        if shown > LONGEST:
            rest = sum(len(p.text) for p in parts) - LONGEST
            body.append(f"\n… {rest:,} more characters")
            break
    style = "white-space:pre-wrap;overflow-wrap:anywhere;margin:0;font-size:.85rem"
    return f'<pre style="{style}">{"".join(body)}</pre>'
