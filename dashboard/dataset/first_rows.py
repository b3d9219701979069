"""The first rows of a file before it is imported, as they are understood."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from typing import Any, Literal

import pandas as pd
import streamlit as st

from core.dataset import Settings
from core.dataset.detection import SAMPLE, Reading
from core.dataset.preview import Preview, understand
from core.dataset.readers import Rows, head
from core.dataset.row_formats import ROW_FORMATS
from core.dataset.settings import quiet
from core.errors import InputError
from dashboard.dataset import column_widgets
from dashboard.escape import plain
from dashboard.frame import reader
from dashboard.frame.page_words import plain_words

PER_PAGE = 5
COLOURS: dict[str, Literal["green", "blue", "orange"]] = {
    "sure": "green",
    "likely": "blue",
    "guess": "orange",
}
OFFERED = 8
"""Columns offered for the prompt by a button each."""


def panel(path: str, settings: Settings) -> tuple[dict[str, Any] | None, bool]:
    """Show the first rows of a file and ask what its columns mean.

    Returns:
        The settings that say it, None where the file cannot be read; and whether rows of it are
        understood.
    """
    st.subheader(plain(pathlib.Path(path).name), anchor=False)
    key = f"dataset:columns:{hashlib.sha256(path.encode()).hexdigest()[:12]}"
    try:
        with quiet(settings):
            rows = _rows(path, settings.split, _stamp(path), header=True)
            if rows.read_as.keys() & {"delimiter", "sheet"} and st.toggle(
                "The first row is data, not names of columns", key=f"{key}:no_header"
            ):
                settings = dataclasses.replace(settings, no_header=True)
                rows = _rows(path, settings.split, _stamp(path), header=False)
                key += ":numbered"
    except InputError as e:
        st.error(plain_words(str(e)), icon=":material/error:")
        return None, True  # what the form sets may let it be read
    detected = understand(rows, settings)
    _say(detected, key)
    mapping = column_widgets.ask(key, list(rows.columns), detected.reading)
    seen = detected
    if mapping:
        try:
            mapped = dataclasses.replace(settings, map=mapping)
            with quiet(mapped):
                seen = understand(rows, mapped)
        except InputError as e:
            seen = dataclasses.replace(detected, reading=None, problem=str(e), rows=[], skipped={})
    _show(seen, key, mapped=bool(mapping) and seen.problem != detected.problem)
    return {"map": mapping, "no_header": settings.no_header}, seen.reading is not None


def _stamp(path: str) -> tuple[int, int]:
    there = pathlib.Path(path)
    status = there.stat() if there.exists() else None
    return (status.st_mtime_ns, status.st_size) if status else (0, 0)


@st.cache_resource(max_entries=4, show_spinner="Reading the first rows")
def _rows(path: str, split: str, stamp: tuple[int, int], *, header: bool) -> Rows:
    """Return the first rows of a file; read again when it has changed."""
    return head(path, SAMPLE, split, header=header)


def _say(detected: Preview, key: str) -> None:
    """Say what was detected, how sure it is, and what would be left out."""
    reading = detected.reading
    if reading is None:
        st.warning(
            plain(f"{_first(detected.problem)}. Choose below what a row holds."),
            icon=":material/help:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"Read as {ROW_FORMATS[reading.format].title}")
        st.badge(plain(reading.certainty), color=COLOURS[reading.certainty])
    for sentence in detected.said:
        st.caption(plain(f"{_first(sentence)}."))
    if reading.left_out:
        st.caption(
            plain(
                f"Not in the conversations: {', '.join(reading.left_out)}. They are kept beside "
                "the rows, for filters and colours."
            )
        )
    if "prompt" in reading.parts:
        _offer(reading, key)


def _first(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _offer(reading: Reading, key: str) -> None:
    with st.container(horizontal=True):
        for i, column in enumerate(reading.left_out[:OFFERED]):
            st.button(
                plain(f"Add {column} to the prompt"),
                key=f"{key}:add:{i}",
                on_click=column_widgets.add_to_prompt,
                args=(key, reading, column),
            )


def _show(seen: Preview, key: str, *, mapped: bool) -> None:
    if seen.reading is None:
        if mapped:
            st.error(plain_words(seen.problem), icon=":material/error:")
        st.dataframe(pd.DataFrame(seen.columns).astype(str).head(20), hide_index=True)
        return
    n_skipped = seen.n_read - seen.n_usable
    shown = f"Of the first {seen.n_read:,} rows {seen.n_usable:,} can be used"
    if not seen.n_usable:
        st.warning(f"{shown}: the reasons are below.", icon=":material/block:")
    else:
        st.caption(f"{shown}; marked text is trained, the rest is only read.")
    if not seen.trainable:
        st.warning(
            "There are no replies to train on: this file can only test a model. Choose a reply "
            "under “Prompt and reply” to train on it.",
            icon=":material/help:",
        )
    if n_skipped:
        with st.expander(f"{n_skipped:,} would be skipped", icon=":material/block:"):
            for reason, records in seen.skipped.items():
                st.text(f"{reason}: {len(records):,}")
                st.dataframe(pd.DataFrame(records[:5]).astype(str), hide_index=True)
    pages = max(1, -(-len(seen.rows) // PER_PAGE))
    page = st.pagination(pages, key=f"{key}:page:{pages}") if pages > 1 else 1
    for row in seen.rows[(page - 1) * PER_PAGE : page * PER_PAGE]:
        title = [f"{seen.place} {row.place:,}"]
        title += [row.source] if row.source != "all" else []
        title += [f"answer: {row.answer}"] if row.answer else []
        with st.container(border=True):
            said = zip(row.turns, reader.written(row.turns), strict=True)
            turns = [reader.turn(turn, text) for turn, text in said]
            st.html(reader.card(title, "", turns))
