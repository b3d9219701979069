"""Settings of a selection that need more than a form."""

from __future__ import annotations

import streamlit as st

from core.dataset.readers import SUFFIXES
from core.errors import InputError
from core.selection import target_queries
from core.selection.artifact import SelectionSummary
from core.selection.given_scores import GivenScores
from core.selection.s2l_options import Switches
from core.selection.settings import Settings
from core.selection.strategies.catalog import STRATEGIES, having
from core.settings import specs
from core.workspace.artifact import Artifact, is_id
from dashboard.escape import plain
from dashboard.frame import dataset_or_file, server_files, state, uploads
from dashboard.frame.page_words import plain_words


def idle(strategy: str) -> tuple[str, ...]:
    """Return the settings that count for no such strategy."""
    row = STRATEGIES[strategy]
    out = ["queries", *([] if row.prefix and not row.queries else ["space"])]
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


def queries(trajectories: Artifact) -> str:
    """Ask for the examples that rows are to be like; stop until the proxy has read them."""
    key = "selection:queries"
    try:
        text = dataset_or_file.pick(
            "Examples to be like",
            key,
            trajectories.ancestor("dataset"),
            none="none yet",
            help="Some dozens of examples of what the target is to do, not its test: a dataset of "
            "this workspace or a file, or type a path",
        )
    except InputError as e:
        st.error(plain_words(e), icon=":material/error:")
        st.stop()
    if not text:
        st.info("Give examples: this strategy takes the rows likest to them.")
        st.stop()
    if not (is_id(text) and target_queries.ready(trajectories, text)):
        st.caption("The proxy reads the examples, and once all rows of the pool, to compare them.")
        st.button(
            "Read the examples",
            key=f"{key}:read",
            icon=":material/visibility:",
            type="primary",
            on_click=_read,
            args=(trajectories, text, key),
            help="A file is imported as a dataset of this workspace",
        )
        if problem := st.session_state.pop(f"{key}:problem", ""):
            st.error(plain_words(problem), icon=":material/error:")
        st.stop()
    return text


def _read(trajectories: Artifact, text: str, key: str) -> None:
    try:
        with st.status("The proxy reads the examples") as reading:
            st.session_state[key] = target_queries.read_apart(
                trajectories, text, lambda line: reading.update(label=plain(line))
            )
    except InputError as e:
        st.session_state[f"{key}:problem"] = str(e)


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
