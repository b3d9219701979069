"""The picked rows as people read them: turns, what is trained, their losses, what was decided."""

from __future__ import annotations

import hashlib

import numpy as np
import streamlit as st

from core import clusters
from core.arrays import Ints
from core.clusters import reading_order
from core.clusters.reading_order import ORDERS
from core.dataset import search
from core.workspace.artifact import Artifact
from dashboard.charts import clusters as cluster_charts
from dashboard.clusters import edit_bar, picked_rows
from dashboard.clusters.preview import ClustersPreview
from dashboard.escape import plain
from dashboard.frame import data, reader


@st.fragment  # turning its pages leaves the map alone
def pane(
    artifact: Artifact,
    made: ClustersPreview,
    settings: clusters.Settings,
    picked: picked_rows.Picked,
) -> None:
    """Show the picked rows, 20 a page."""
    jumped = _jump(artifact)
    if not picked.words and jumped is None:
        st.info(
            "Draw a box or a lasso on the map, choose a cluster, search or filter, to read rows.",
            icon=":material/lasso_select:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        order = st.selectbox(
            "Order",
            list(ORDERS),
            format_func=lambda name: ORDERS[name].title,
            key="clusters:order",
            width=240,
            label_visibility="collapsed",
            persist_state="session",
        )
        start = settings.include_start or data.steps(artifact.id)[0] > 0
        key = hashlib.blake2b(picked.rows.tobytes(), digest_size=16).hexdigest()
        rows = ordered(
            artifact.id, made, made.key, settings.features, start, picked.rows, key, order
        )
        page = _page(len(rows))
        st.text_input(
            "Go to row",
            key="clusters:jump",
            placeholder="Row number or id",
            width=190,
            label_visibility="collapsed",
            icon=":material/tag:",
        )
    part = rows[(page - 1) * reader.PER_PAGE : page * reader.PER_PAGE].tolist()
    if jumped is not None:
        part = [jumped, *(r for r in part if r != jumped)][: reader.PER_PAGE]
    if not part:
        st.caption("No row is all of this at once. Clear the search or a filter.")
        return
    cards(artifact, made, part)


def _jump(artifact: Artifact) -> int | None:
    text = (st.session_state.get("clusters:jump") or "").strip()
    if not text:
        return None
    dataset = artifact.ancestor("dataset")
    row = search.row_of(dataset, text)
    if row is None:
        st.warning(f"No row has the number or id {plain(text)}.", icon=":material/tag:")
    return row


@st.cache_resource(max_entries=6, show_spinner=False)
def ordered(
    id: str,
    _made: ClustersPreview,
    made: str,
    features: str,
    start: bool,
    _rows: Ints,
    rows: str,
    how: str,
) -> Ints:
    """Return rows in the order to read them; `made` and `rows` tell equal ones from others."""
    return reading_order.order(
        data.losses(id),
        _rows,
        _made.labels,
        _made.centroids,
        how,
        0,
        kind=features,
        include_start=start,
    )


def _page(n: int) -> int:
    """Ask which page to read: by pointing, or by the keys N and P."""
    pages = max(1, -(-n // reader.PER_PAGE))
    key = "clusters:page"
    st.session_state[key] = min(max(1, st.session_state.get(key, 1)), pages)
    if pages == 1:
        return 1
    page = st.pagination(pages, key=key)
    st.button(
        "Previous",
        key="clusters:previous",
        shortcut="P",
        type="tertiary",
        disabled=page == 1,
        on_click=_turn,
        args=(-1,),
    )
    st.button(
        "Next",
        key="clusters:next",
        shortcut="N",
        type="tertiary",
        disabled=page == pages,
        on_click=_turn,
        args=(1,),
    )
    return page


def _turn(by: int) -> None:
    st.session_state["clusters:page"] += by


def cards(artifact: Artifact, made: ClustersPreview, rows: list[int]) -> None:
    """Draw rows with their texts, trajectories and the buttons to decide about them."""
    dataset = artifact.ancestor("dataset")
    frame = data.examples(dataset.id, rows, "row, id, source, messages")
    facts = data.flags(artifact.id)
    edited = data.edits(dataset.id)
    names = dict(zip(made.table["cluster"], made.table["name"], strict=True))
    texts = [text for messages in frame["messages"] for text in reader.written(messages)]
    query = st.session_state.get("clusters:search") or ""
    regex = bool(st.session_state.get("clusters:regex"))
    if picked_rows.search_problem(artifact):
        query = ""
    marks = iter(search.spans([t[: reader.LONGEST] for t in texts], query, regex=regex))
    pool, values = data.overview(artifact.id)[0]["q50"].to_numpy(), data.losses(artifact.id)
    low, high = data.range_of_losses(artifact.id)
    for example in frame.to_dict("records"):
        row = int(example["row"])
        fact = facts.iloc[row]
        cluster = int(made.labels[row])
        title = [f"row {row:,}", str(example["source"])]
        if cluster >= 0:
            title.append(f"cluster {cluster} ({names[cluster]})")
        if fact["flag"]:
            title.append(str(fact["flag"]))
        if fact["reason"]:
            title.append(str(fact["reason"]))
        if fact["truncated"]:
            title.append(f"cut, {fact['n_tokens']:,} tokens")
        spark = ""
        if np.isfinite(values[row]).all():
            title.append(f"loss {fact['first_loss']:.2f} → {fact['final_loss']:.2f}")
            spark = cluster_charts.sparkline(values[row], pool, (low, high))
        talk = example["messages"]
        turns = [
            reader.turn(t, text, next(marks))
            for t, text in zip(talk, reader.written(talk), strict=True)
        ]
        with st.container(border=True):
            st.html(reader.card(title, spark, turns, edited.notes.get(row, "")))
            edit_bar.row_buttons(dataset.id, row, edited)
