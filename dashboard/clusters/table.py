"""The table of clusters, and a card for the chosen one."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core import edits
from core.workspace.artifact import Artifact
from dashboard.charts import losses as loss_charts
from dashboard.clusters import edit_bar
from dashboard.clusters.cluster_facts import choose, strands, table
from dashboard.clusters.preview import ClustersPreview
from dashboard.escape import plain
from dashboard.frame import data


def clusters(
    artifact: Artifact, made: ClustersPreview, kept: Artifact | None, chosen: int | None
) -> None:
    """Show the table of clusters and the card of the chosen one."""
    known = table(artifact.id, made, made.key).sort_values("size", ascending=False)
    if chosen is not None:
        card(artifact, made, kept, chosen, known[known["cluster"] == chosen].iloc[0])
    columns = {
        "cluster": "cluster",
        "size": "rows",
        "name": "keywords",
        "behaviour": "behaviour",
        "first_loss": "first loss",
        "final_loss": "final loss",
        "drop": "loss drop",
        "forgetting": "forgetting",
        "tokens": "response tokens",
        "source": "commonest source",
        "purity": "its share",
        "neighbour": "nearest cluster",
        "distance": "at distance",
    }
    shown = known[list(columns)].rename(columns=columns)
    shown.insert(2, "share", shown["rows"] / shown["rows"].sum())
    most = float(shown["share"].max())
    st.dataframe(
        shown,
        hide_index=True,
        key="clusters:table",
        on_select=_row_chosen,
        selection_mode="single-row",
        column_config={
            "share": st.column_config.ProgressColumn(format="percent", max_value=most),
            "its share": st.column_config.NumberColumn(format="percent"),
            **{
                name: st.column_config.NumberColumn(format="%.3f")
                for name in ("first loss", "final loss", "loss drop", "forgetting", "at distance")
            },
            "response tokens": st.column_config.NumberColumn(format="%.0f"),
        },
    )
    st.session_state["clusters:table-order"] = known["cluster"].tolist()


def _row_chosen() -> None:
    rows = st.session_state["clusters:table"]["selection"]["rows"]
    if rows:
        choose(int(st.session_state["clusters:table-order"][rows[0]]))


def card(
    artifact: Artifact, made: ClustersPreview, kept: Artifact | None, cluster: int, facts: pd.Series
) -> None:
    """Show one cluster: its trajectories against the pool, and what can be decided about it."""
    dataset = artifact.ancestor("dataset").id
    left, right = st.columns([2, 1.2], gap="large")
    with left:
        sample = strands(artifact.id, made, made.key)[cluster]
        pool = data.overview(artifact.id)[0]["q50"].tolist()
        part = made.quantiles[made.quantiles["cluster"] == cluster]
        st.plotly_chart(
            loss_charts.cluster_ribbon(part, sample, pool, cluster=cluster, k=made.k),
            alt="Loss of the cluster over training, beside that of all rows",
        )
    with right:
        n = int((made.labels >= 0).sum())
        inside = data.flags(artifact.id)["source"][made.labels == cluster].value_counts()
        sources = ", ".join(
            f"{plain(str(s))} {c / facts['size']:.0%}" for s, c in inside[:3].items() if c
        )
        st.markdown(
            f"**Cluster {cluster}: {plain(facts['name'])}**  \n"
            f"{plain(facts['behaviour'])}  \n"
            f"{facts['size']:,} of {n:,} rows ({facts['size'] / n:.1%}), "
            f"{facts['tokens']:.0f} response tokens a row  \n"
            f"Loss {facts['first_loss']:.2f} → {facts['final_loss']:.2f}, "
            f"{facts['forgetting']:.1f} upward moves a row  \n"
            f"Sources: {sources}  \n"
            f"Nearest: cluster {facts['neighbour']:.0f}, {facts['distance']:.2f} away"
        )
        if kept is None:
            st.caption("Keep this clustering to name its clusters.")
        else:
            edited = data.edits(dataset)
            given = edited.names.get(kept.id, {}).get(cluster, "")
            st.text_input(
                "Name",
                given,
                key=f"name:{kept.id}:{cluster}",
                on_change=_name,
                args=(dataset, kept.id, cluster),
                placeholder=facts["name"],
            )
            noted = edited.cluster_notes.get(kept.id, {}).get(cluster, "")
            st.text_input(
                "Note",
                noted,
                key=f"note:{kept.id}:{cluster}",
                on_change=_note,
                args=(dataset, kept.id, cluster),
            )


def _name(dataset: str, kept: str, cluster: int) -> None:
    text = st.session_state[f"name:{kept}:{cluster}"].strip()
    edit_bar.edit(edits.name, dataset, kept, cluster, text)


def _note(dataset: str, kept: str, cluster: int) -> None:
    text = st.session_state[f"note:{kept}:{cluster}"].strip()
    edit_bar.edit(edits.note_cluster, dataset, kept, cluster, text)
