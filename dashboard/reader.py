"""Example texts, page by page, exactly as they are: never as HTML or markdown."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, ClassVar

import pandas as pd
import streamlit as st

from core.templates import render_spans, renderer
from dashboard import data

PER_PAGE = 20
LONGEST = 4000
"""Characters shown of one text; the rest is counted."""


def reader(dataset: str, rows: Sequence[int], key: str, facts: pd.DataFrame | None = None) -> None:
    """Show rows as question and answer, 20 a page.

    Args:
        dataset: Dataset id.
        rows: Rows, in the order to read them.
        key: Of the page control.
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


class _PlainEnd:
    """As much of a tokenizer as the plain template needs."""

    eos_token = "<|end|>"
    bos_token = ""
    bos_token_id = -1
    chat_template = None
    all_special_tokens = (eos_token,)
    added_tokens_decoder: ClassVar[dict[int, str]] = {}

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [0]}


def trained_parts(messages: list[dict[str, str]], template: str) -> list[tuple[str, bool]]:
    """Split what the model sees into (text, whether it is trained)."""
    text, spans = render_spans(renderer(template, _PlainEnd()), messages, template)
    parts: list[tuple[str, bool]] = []
    end = 0
    for a, b in spans:
        parts += [(text[end:a], False), (text[a:b], True)]
        end = b
    return [*parts, (text[end:], False)]


def coloured(parts: list[tuple[str, bool]]) -> str:
    """Return HTML with every character of the texts escaped; trained parts are marked.

    The only place where dataset text meets HTML: Streamlit has no other way to colour part of a
    text, and `html.escape` leaves nothing that could be a tag.
    """
    body = "".join(
        f'<mark style="background:rgba(67,97,216,.28);color:inherit;border-radius:3px">'
        f"{html.escape(cut(text))}</mark>"
        if trained
        else html.escape(cut(text))
        for text, trained in parts
    )
    style = "white-space:pre-wrap;overflow-wrap:anywhere;margin:0;font-size:.85rem"
    return f'<pre style="{style}">{body}</pre>'
