"""Test rows that other rows give away, shown side by side."""

from __future__ import annotations

import pathlib

import pandas as pd
import streamlit as st

from core.dataset.overlap import HOW
from core.dataset.privacy import is_private
from core.workspace.files import read_jsonl
from dashboard.escape import plain
from dashboard.frame import data, reader, state

SHOWN = 50


def tell(sentence: str, *, warns: bool) -> None:
    """Show what is said of an overlap, nothing where nothing is said."""
    if sentence:
        text = plain(sentence[0].upper() + sentence[1:] + ".")
        if warns:
            st.warning(text, icon=":material/content_copy:")
        else:
            st.caption(text)


def side_by_side(file: pathlib.Path, tested: str, dataset: str, called: str) -> None:
    """List the pairs that a file of an artifact holds, nothing where it is not there.

    Args:
        file: Of a dataset, a fine-tune or a study.
        tested: The dataset that the test rows are from.
        dataset: The one that the others are from.
        called: What the others are, such as "Pool row".
    """
    pairs = list(read_jsonl(file)) if file.exists() else []
    if not pairs:
        return
    if any(is_private(state.workspace().open(id, "dataset")) for id in {tested, dataset}):
        st.caption(
            f"Which rows they are stands in {plain(file.name)}; private texts are not shown here."
        )
        return
    weak = sum(pair["how"] == "ngrams" for pair in pairs)
    strong = len(pairs) - weak
    parts = [f"the {strong:,} test rows that repeat others"] if strong else []
    parts += [f"{weak:,} that have {HOW['ngrams']}"] if weak else []
    title = f"Read {' and '.join(parts)}, side by side"
    with st.expander(title, icon=":material/compare:"):
        shown = pairs[:SHOWN]
        columns = "row, prompt, response"
        left = data.examples(tested, [pair["test_row"] for pair in shown], columns)
        right = data.examples(dataset, [pair["row"] for pair in shown], columns)
        st.dataframe(
            pd.DataFrame(
                {
                    "alike by": HOW[pair["how"]],
                    "test row": pair["test_row"],
                    "its prompt": reader.cut(left.loc[pair["test_row"], "prompt"]),
                    called: pair["row"],
                    "prompt": reader.cut(right.loc[pair["row"], "prompt"]),
                    "response": reader.cut(right.loc[pair["row"], "response"]),
                }
                for pair in shown
            ),
            hide_index=True,
        )
        if len(pairs) > SHOWN:
            st.caption(f"The first {SHOWN} of {len(pairs):,}; all stand in {plain(file.name)}.")
