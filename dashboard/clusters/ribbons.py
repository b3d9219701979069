"""What the clusters are: their ribbons, their table and cards, the profile of what is picked."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core import edits
from core.clusters import distances as neighbours
from core.clusters import explained_by, how_learned
from core.clusters.run import Settings
from core.workspace.artifact import Artifact
from dashboard.charts import clusters as cluster_charts
from dashboard.charts import losses as loss_charts
from dashboard.charts import profile as profile_charts
from dashboard.clusters import edit_bar, map_colours, picked_rows
from dashboard.frame import data, job_card, state
from dashboard.frame.data import Preview

PANELS = 24
SORTS = {
    "Size": "size",
    "Final loss": "final_loss",
    "Loss drop": "drop",
    "Forgetting": "forgetting",
}
STRANDS = 12
EXPLAINS = {"n_response": "response length", "source": "source", "final_loss": "final loss"}
PROFILE = {
    "n_response": "response", "n_tokens": "prompt and response", "source": "source",
    "first_loss": "first loss", "final_loss": "final loss", "drop": "loss drop",
}  # fmt: skip
UNITS = {
    "response": "tokens", "prompt and response": "tokens",
    "first loss": "nats per token", "final loss": "nats per token", "loss drop": "nats per token",
}  # fmt: skip
FULL = 50_000
"""Rows up to which everything is counted; above, a seeded sample of as many."""


@st.cache_resource(max_entries=12, show_spinner=False)
def table(id: str, _made: Preview, key: str) -> pd.DataFrame:
    """Return the clusters' table with behaviour, forgetting and the nearest other cluster."""
    frame = data.flags(id)
    used = _made.labels >= 0
    out = _made.table.copy()
    forgetting = frame["forgetting"][used].groupby(_made.labels[used]).mean()
    out["forgetting"] = out["cluster"].map(forgetting)
    pool = data.overview(id)[0]
    middle = frame["n_response"][used].quantile([0.25, 0.75]).tolist()
    out["behaviour"] = how_learned.behaviours(
        _made.quantiles, out, pool, (middle[0], middle[1]), start=data.steps(id)[0] == 0
    )
    near = neighbours.distances(_made.centroids).set_index("cluster").reindex(out["cluster"])
    out["neighbour"] = near["nearest"].to_numpy()
    out["distance"] = near["distance"].to_numpy()
    return out


@st.cache_resource(max_entries=12, show_spinner=False)
def strands(id: str, _made: Preview, key: str) -> dict[int, npt.NDArray[np.float32]]:
    """Return a few trajectories of each cluster."""
    values, rng = data.losses(id), np.random.default_rng(0)
    order = np.argsort(_made.labels, kind="stable")
    ends = np.searchsorted(_made.labels[order], range(_made.k + 1))
    out = {}
    for cluster in range(_made.k):
        members = order[ends[cluster] : ends[cluster + 1]]
        drawn = members[np.sort(rng.integers(0, max(1, len(members)), STRANDS))] if len(members) \
            else members  # fmt: skip
        out[cluster] = np.asarray(values[np.unique(drawn)])
    return out


def compared_from(artifact: Artifact, settings: Settings) -> int:
    """Return the first recording that is compared: the untrained one would dwarf the others."""
    return int(data.steps(artifact.id)[0] == 0 and not settings.include_start)


def ribbons(artifact: Artifact, made: Preview, settings: Settings, chosen: int | None) -> None:
    """Draw a small panel per cluster; a click chooses it."""
    by = st.segmented_control(
        "Sort by", list(SORTS), default="Size", key="clusters:sort", required=True,
        persist_state="session",
    )  # fmt: skip
    known = table(artifact.id, made, made.key)
    known = known.sort_values(SORTS[by or "Size"], ascending=False)
    pages = -(-len(known) // PANELS)
    page = st.pagination(pages, key="clusters:ribbon-page") if pages > 1 else 1
    part = known.iloc[(page - 1) * PANELS : page * PANELS]
    first = compared_from(artifact, settings)
    lines = {c: v[:, first:] for c, v in strands(artifact.id, made, made.key).items()}
    begin = data.steps(artifact.id)[first]
    st.plotly_chart(
        cluster_charts.ribbons(
            made.quantiles[made.quantiles["step"] >= begin], lines,
            known.set_index("cluster")["size"],
            dict(zip(known["cluster"], known["behaviour"], strict=True)),
            part["cluster"].tolist(), made.k, chosen, colours=map_colours.palette(made),
        ),
        key="ribbons", on_select=_clicked, selection_mode="points",
        config={"displayModeBar": False},
    )  # fmt: skip
    st.caption(
        "Median, 10-90% band and a few trajectories of each cluster, all on one scale"
        + (
            f", from step {begin:,} on: the losses before training are not compared"
            if first
            else ""
        )
        + ". Click one to read it and light it up on the map."
    )
    example = int(known["cluster"].iloc[0]) if chosen is None else chosen
    st.plotly_chart(inside_across(artifact, made, example, first))
    st.caption(
        "Left, pairs of rows of one cluster against pairs of two. The farther apart the humps, the "
        "more a cluster says about its rows."
    )


def _clicked() -> None:
    points = st.session_state["ribbons"]["selection"]["points"]
    if points:
        choose(int(np.ravel(points[0]["customdata"])[0]))


def choose(cluster: int | None) -> None:
    """Make a cluster the one that is read; an area or a finding no longer is."""
    st.session_state["clusters:cluster"] = cluster
    st.session_state["clusters:area"] = st.session_state["clusters:finding"] = None
    st.session_state["clusters:page"] = 1


def inside_across(artifact: Artifact, made: Preview, example: int, first: int) -> Any:
    """Return the picture of distances inside clusters against across them."""
    inside, across = distances(artifact.id, made, made.key)
    known = strands(artifact.id, made, made.key)
    others = np.concatenate([v for c, v in known.items() if c != example and len(v)] or [known[0]])
    drawn = others[np.random.default_rng(0).permutation(len(others))[:STRANDS]]
    return cluster_charts.inside_across(
        inside, across, data.steps(artifact.id)[first:], known[example][:, first:],
        drawn[:, first:],
        cluster=example, colour=map_colours.palette(made)[example],
    )  # fmt: skip


@st.cache_resource(max_entries=12, show_spinner=False)
def distances(id: str, _made: Preview, key: str) -> tuple[Any, Any]:
    """Return distances of pairs of rows inside clusters and across them."""
    return neighbours.pairs(data.losses(id), _made.labels, seed=0)


def clusters(artifact: Artifact, made: Preview, kept: Artifact | None, chosen: int | None) -> None:
    """Show the table of clusters and the card of the chosen one."""
    known = table(artifact.id, made, made.key).sort_values("size", ascending=False)
    if chosen is not None:
        card(artifact, made, kept, chosen, known[known["cluster"] == chosen].iloc[0])
    columns = {
        "cluster": "cluster", "size": "rows", "name": "keywords", "behaviour": "behaviour",
        "first_loss": "first loss", "final_loss": "final loss", "drop": "loss drop",
        "forgetting": "forgetting", "tokens": "response tokens", "source": "commonest source",
        "purity": "its share", "neighbour": "nearest cluster", "distance": "at distance",
    }  # fmt: skip
    shown = known[list(columns)].rename(columns=columns)
    shown.insert(2, "share", shown["rows"] / shown["rows"].sum())
    most = float(shown["share"].max())
    st.dataframe(
        shown, hide_index=True, key="clusters:table", on_select=_row_chosen,
        selection_mode="single-row",
        column_config={
            "share": st.column_config.ProgressColumn(format="percent", max_value=most),
            "its share": st.column_config.NumberColumn(format="percent"),
            **{name: st.column_config.NumberColumn(format="%.3f") for name in
               ("first loss", "final loss", "loss drop", "forgetting", "at distance")},
            "response tokens": st.column_config.NumberColumn(format="%.0f"),
        },
    )  # fmt: skip
    st.session_state["clusters:table-order"] = known["cluster"].tolist()


def _row_chosen() -> None:
    rows = st.session_state["clusters:table"]["selection"]["rows"]
    if rows:
        choose(int(st.session_state["clusters:table-order"][rows[0]]))


def card(
    artifact: Artifact, made: Preview, kept: Artifact | None, cluster: int, facts: pd.Series
) -> None:
    """Show one cluster: its trajectories against the pool, and what can be decided about it."""
    dataset = state.workspace().ancestor(artifact, "dataset").id
    left, right = st.columns([2, 1.2], gap="large")
    with left:
        sample = strands(artifact.id, made, made.key)[cluster]
        pool = data.overview(artifact.id)[0]["q50"].tolist()
        part = made.quantiles[made.quantiles["cluster"] == cluster]
        st.plotly_chart(loss_charts.cluster_ribbon(part, sample, pool, cluster=cluster, k=made.k))
    with right:
        n = int((made.labels >= 0).sum())
        inside = data.flags(artifact.id)["source"][made.labels == cluster].value_counts()
        sources = ", ".join(
            f"{job_card.plain(str(s))} {c / facts['size']:.0%}" for s, c in inside[:3].items() if c
        )
        st.markdown(
            f"**Cluster {cluster}: {job_card.plain(facts['name'])}**  \n"
            f"{job_card.plain(facts['behaviour'])}  \n"
            f"{facts['size']:,} of {n:,} rows ({facts['size'] / n:.1%}), "
            f"{facts['tokens']:.0f} response tokens a row  \n"
            f"Loss {facts['first_loss']:.2f} → {facts['final_loss']:.2f}, "
            f"{facts['forgetting']:.1f} upward moves a row  \n"
            f"Sources: {sources}  \n"
            f"Nearest: cluster {facts['neighbour']}, {facts['distance']:.2f} away"
        )
        if kept is None:
            st.caption("Keep this clustering to name its clusters.")
        else:
            edited = data.edits(dataset)
            given = edited.names.get(kept.id, {}).get(cluster, "")
            st.text_input("Name", given, key=f"name:{kept.id}:{cluster}", on_change=_name,
                          args=(dataset, kept.id, cluster), placeholder=facts["name"])  # fmt: skip
            noted = edited.cluster_notes.get(kept.id, {}).get(cluster, "")
            st.text_input("Note", noted, key=f"note:{kept.id}:{cluster}", on_change=_note,
                          args=(dataset, kept.id, cluster))  # fmt: skip


def _name(dataset: str, kept: str, cluster: int) -> None:
    text = st.session_state[f"name:{kept}:{cluster}"].strip()
    edit_bar.edit(edits.name, dataset, kept, cluster, text)


def _note(dataset: str, kept: str, cluster: int) -> None:
    text = st.session_state[f"note:{kept}:{cluster}"].strip()
    edit_bar.edit(edits.note_cluster, dataset, kept, cluster, text)


def profile(
    artifact: Artifact, made: Preview, picked: picked_rows.Picked, chosen: int | None
) -> None:
    """Compare what is picked with all rows, and say what the clustering goes by."""
    everything = np.flatnonzero(made.labels >= 0)
    if picked.words:
        drawn = sample(everything)
        facts = data.flags(artifact.id).iloc[drawn][list(PROFILE)].rename(columns=PROFILE)
        said = "" if len(drawn) == len(everything) else (
            f"a random sample of {len(drawn):,} of {len(everything):,}"
        )  # fmt: skip
        inside = np.isin(drawn, picked.rows)
        if inside.any():
            st.plotly_chart(profile_charts.profile(facts, inside, UNITS, sampled=said))
        else:
            st.caption("None of the rows picked is clustered, or in the sample of all.")
    else:
        st.caption("Pick rows on the map to compare them with all.")
    st.markdown("**What separates the clusters?**")
    n = min(len(everything), explained_by.SAMPLE)
    whole = separates(artifact.id, made, made.key, None)
    st.plotly_chart(profile_charts.explained(whole, f"the clustering of {n:,} rows"))
    if chosen is not None:
        one = separates(artifact.id, made, made.key, chosen)
        st.plotly_chart(profile_charts.explained(one, f"cluster {chosen} against the rest"))
    st.caption(
        "How much of the clustering (entropy of the labels) a row's response length, source or "
        "final loss tells alone, beyond chance. Near 100%: the clusters are little more than that."
    )


def sample(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return at most FULL of the rows, drawn with a fixed seed."""
    if len(rows) <= FULL:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, FULL, replace=False))


@st.cache_resource(max_entries=24, show_spinner=False)
def separates(id: str, _made: Preview, key: str, cluster: int | None) -> pd.DataFrame:
    """Return how much single facts explain of the clustering, or of one cluster."""
    facts = data.flags(id)[list(EXPLAINS)].rename(columns=EXPLAINS)
    if cluster is None:
        return explained_by.explained(_made.labels, facts)
    return explained_by.explained_one(_made.labels, cluster, facts)
