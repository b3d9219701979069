"""Settings of a selection that need more than a form."""

from __future__ import annotations

import streamlit as st

from core.dataset.readers import SUFFIXES
from core.selection.artifact import SelectionSummary
from core.selection.given_scores import GivenScores
from core.selection.s2l_options import Switches
from core.selection.settings import Settings
from core.selection.strategies.catalog import STRATEGIES, having
from core.settings import specs
from core.workspace.artifact import Artifact
from dashboard.frame import server_files, state, uploads


def idle(strategy: str) -> tuple[str, ...]:
    """Return the settings that count for no such strategy."""
    row = STRATEGIES[strategy]
    out = [] if row.prefix else ["space"]
    out += ["scores"] if row.scores else [s.name for s in specs(GivenScores)]
    return (*out, *(s.name for s in specs(Switches) if not row.switches))


def on_demand(settings: Settings) -> None:
    """Wait for a press before a choice that takes long; go on if it was pressed for this one."""
    if st.session_state.get("selection:ran") == settings:
        return
    st.caption("This strategy compares all rows with all: it can take from seconds to minutes.")
    if not st.button("Choose the rows", icon=":material/play_arrow:", type="primary"):
        st.stop()
    st.session_state["selection:ran"] = settings


def matched(dataset: Artifact) -> str:
    """Ask which selection a matched baseline is as large as."""
    names = state.distinct(
        {
            e.id: e.name
            for e in state.workspace().made_from(dataset.id, "selection")
            if e.config["strategy"] in having(size="budget")
        }
    )
    if not names:
        st.info("Save a selection first: this baseline is as large as another one.")
        st.stop()
    return st.selectbox(
        "As large as", list(names), format_func=names.__getitem__, key="selection:match"
    )


def scores() -> str:
    """Ask for the file of scores that another tool gave; stop until there is one."""
    where = st.segmented_control(
        "Scores of another tool",
        ["On the server", "Upload"],
        default="On the server",
        key="selection:scores:from",
        required=True,
        persist_state="session",
        help="A table with the columns id and score (parquet, CSV, JSON Lines), or a .npy in the "
        "order of the dataset's rows",
    )
    suffixes = (*SUFFIXES, ".npy")
    if where == "Upload":
        path = uploads.ask("selection:scores:upload", suffixes)
    else:
        path = server_files.path("selection:scores", suffixes=suffixes)
    if not path:
        st.info(
            "Give the scores: this strategy goes by a number for each row.", icon=":material/grade:"
        )
        st.stop()
    return path


def keep_choice(parent: Artifact) -> str:
    """Ask which selection from the clusters that these extend is to be kept; empty for none."""
    before = [c.id for c in parent.extended()[1:]]
    names = {"": "Nothing: choose all anew"} | state.distinct(
        {
            e.id: f"{e.name}, {e.summary_as(SelectionSummary)['rows']:,} rows"
            for e in state.sealed("selection")
            if e.parents.get("clusters") in before
        }
    )
    if len(names) == 1:
        return ""
    return st.selectbox(
        "Keep what an earlier selection chose",
        list(names),
        format_func=names.__getitem__,
        key=f"selection:keep:{parent.id}",
        persist_state="session",
        help="Its rows come first and stay; the strategy draws the rest of the budget",
    )
