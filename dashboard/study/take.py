"""A study taken away: tables and all its numbers as files, the figure as a picture.

No file has a text of the data. The picture is made by the browser: a second renderer on the server
would need a browser of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from core.study import findings
from core.study.artifact import all_lines
from core.workspace.artifact import Artifact
from dashboard.escape import plain
from dashboard.frame import report, widgets

if TYPE_CHECKING:
    import pandas as pd

PICTURES = ("SVG", "PNG")
FORMULA = ("=", "+", "-", "@", "\t")
"""What the text of a cell begins with that spreadsheets compute."""


def picture_options(name: str, key: str) -> dict[str, Any]:
    """Return the options of a chart whose toolbar saves it, in the format that was chosen."""
    chosen = st.session_state.get("study:picture", PICTURES[0])
    return {
        "displaylogo": False,
        "displayModeBar": True,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {
            "format": chosen.lower(),
            "filename": f"study-{name}-{key}",
            "scale": 1 if chosen == "SVG" else 3,
        },
    }


def as_csv(table: pd.DataFrame) -> str:
    """Write a table; a spreadsheet takes no text in it, a name for example, for a formula."""
    return str(table.map(_as_text).rename(columns=_as_text).to_csv(index=False))


def _as_text(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\r", " ")  # which ends a line
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def downloads(artifact: Artifact) -> None:
    """Offer the runs as CSV and everything as JSON, and choose how the figure is saved."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        report.offer(artifact, "study:report")
        widgets.download(
            "Runs as CSV",
            lambda: as_csv(all_lines(artifact)),
            file_name=f"study-{artifact.id}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            help="A line a fine-tune: arm, seed, budget, scores. No texts of the data",
        )
        widgets.download(
            "All as JSON",
            lambda: findings.as_json(artifact),
            file_name=f"study-{artifact.id}.json",
            mime="application/json",
            icon=":material/data_object:",
            on_click="ignore",
            help="Settings, scores, comparisons with their uncertainty, sentences, costs. No texts "
            "of the data",
        )
        st.segmented_control(
            "Save the figure as",
            PICTURES,
            default=PICTURES[0],
            required=True,
            key="study:picture",
            help="By the camera at the figure's corner",
        )
    runs = len(all_lines(artifact))
    st.caption(f"{runs:,} run{'s' if runs != 1 else ''} of study {plain(artifact.id)}")
