"""What a fine-tune improved: the change of loss by cluster and by source, on a map, row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core import gains, jobs, layout
from core.clusters.artifact import load_table
from core.gains.artifact import GainsSummary
from core.gains.statistics import by_group
from core.workspace.artifact import Artifact
from dashboard.charts import map as map_charts
from dashboard.escape import plain
from dashboard.frame import data, forms, job_card, reader, state, widgets

FORM = "gains"
UNIT = "nats per response token"


def draw(made: Artifact) -> None:
    """Show the gains, or offer to measure them."""
    workspace = state.workspace()
    job = jobs.newest(workspace, "gains", finetune=made.id)
    if job is not None and job.state != "done":
        job_card.card(job)
    measured = gains.of(workspace, made.id)
    if measured is None:
        _offer(made, busy=job is not None and job.state in jobs.ACTIVE)
        return
    rows = gains.load(measured)
    headline(measured)
    grouped = measured.summary_as(GainsSummary)["groups"] == "clusters"
    column = "source"
    if grouped:
        by = st.segmented_control(
            "By", ["Cluster", "Source"], default="Cluster", key="gains:by", required=True
        )
        column = "cluster" if by == "Cluster" else "source"
    table = by_group(rows, column).sort_values("change", ignore_index=True)
    names = _names(made) if column == "cluster" else {}
    chosen = _table(table, column, names)
    left, right = st.columns([1, 1.2] if grouped else [0.01, 1], gap="large")
    with left:
        if grouped:
            _map(made, rows, table if column == "cluster" else None)
    with right:
        _rows(made, rows, column, chosen, names)
    with st.expander("Measure again, on more rows", icon=":material/refresh:"):
        _offer(made, busy=job is not None and job.state in jobs.ACTIVE)


def _offer(made: Artifact, *, busy: bool) -> None:
    st.caption(
        "Scores rows of the pool with the model before and after the training: some of every "
        "cluster, the rest in proportion. Rows that were not trained on are told apart: they show "
        "what was learned rather than remembered."
    )
    settings = forms.form(gains.Settings, FORM, fixed={"finetune": made.id})
    if settings is None:
        return
    if st.button("Measure what it improved", icon=":material/straighten:", disabled=busy):
        job_card.launch("gains", settings, f"What {made.name} improved", FORM)
        st.rerun()
    job_card.command("gains", settings)


def headline(measured: Artifact) -> None:
    """Say the change over the pool, with what it was measured on."""
    s = measured.summary_as(gains.GainsSummary)
    unseen = s["rows"] - s["trained"]
    pairs = [
        (
            "Loss over the pool",
            f"{s['before']:.3f} → {s['after']:.3f} (on {s['rows']:,} of {s['pool']:,})",
        )
    ]
    if s["unseen_before"] is not None and s["unseen_after"] is not None:
        pairs.append(
            (
                "On rows it was not trained on",
                f"{s['unseen_before']:.3f} → {s['unseen_after']:.3f} (on {unseen:,})",
            )
        )
    widgets.facts(*pairs)
    st.caption(
        f"In {UNIT}, lower is better. {s['rows']:,} of {s['pool']:,} pool rows were scored, some "
        f"of each of the {plain(s['groups'])}, each standing for those of its own that were not; "
        f"{s['trained']:,} of them were trained on."
    )


def _names(made: Artifact) -> dict[int, str]:
    table = load_table(made.ancestor("clusters"), ["cluster", "name"])
    return dict(zip(table["cluster"].tolist(), table["name"].astype(str).tolist(), strict=True))


def _table(table: pd.DataFrame, column: str, names: dict[int, str]) -> object:
    """Show the groups, most improved first; return the one whose row is chosen, else the first."""
    shown = table.copy()
    if names:
        shown.insert(1, "name", [names.get(c, "in no cluster") for c in shown[column]])
    number = st.column_config.NumberColumn
    event = st.dataframe(
        shown,
        hide_index=True,
        key=f"gains:table:{column}",
        height=320,
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "rows": number("scored rows"),
            "trained": number("of them trained on"),
            "before": number(format="%.3f", help=UNIT),
            "after": number(format="%.3f", help=UNIT),
            "change": number(format="%+.3f", help="Below 0 is better"),
            "low": number("95% from", format="%+.3f", help="Of the mean change (Student's t)"),
            "high": number("95% to", format="%+.3f"),
            "improved": number("rows improved", format="percent"),
            "unseen": number("not trained on"),
            "unseen_change": number("change on those", format="%+.3f"),
        },
    )
    at = event["selection"]["rows"]
    better, worse = int((table["high"] < 0).sum()), int((table["low"] > 0).sum())
    st.caption(
        f"{better:,} of {len(table):,} got better and {worse:,} worse by more than their interval "
        "leaves open. Choose a line to read its rows."
    )
    return table[column].iloc[at[0] if at else 0]


def _map(made: Artifact, rows: pd.DataFrame, by_cluster: pd.DataFrame | None) -> None:
    """Draw the scored rows where they lie, coloured by the change: by UMAP, else by PCA."""
    trajectories, clusters = made.ancestor("trajectories"), made.ancestor("clusters")
    config = clusters.config
    how = {"features": config["features"], "include_start": config["include_start"]}
    settings = layout.Settings(trajectories=trajectories.id, **how)
    drawn = layout.find(state.workspace(), settings)
    xy = data.points(drawn.id) if drawn else data.pca(trajectories.id, *how.values())
    change = rows["after"] - rows["before"]
    title = "change of the row (nats)"
    if by_cluster is not None:
        change = rows["cluster"].map(by_cluster.set_index("cluster")["change"])
        title = "mean change of its cluster (nats)"
    frame = pd.DataFrame({"row": rows["row"], "x": xy[rows["row"], 0], "y": xy[rows["row"], 1]})
    frame["colour"] = change.to_numpy(float)
    frame = frame[np.isfinite(frame["x"])].head(data.POINTS)
    if frame.empty:
        st.caption("None of the scored rows has a place on the map.")
        return
    span = (float(frame["colour"].quantile(0.02)), max(0.0, float(frame["colour"].quantile(0.98))))
    st.plotly_chart(
        map_charts.cluster_map(frame, mode="value", k=0, title=title, span=span),
        key="gains:map",
        config=widgets.CHART,
        alt="Map of the rows, coloured by what the fine-tune gained on them",
    )
    st.caption(
        f"Each dot is a scored row ({len(frame):,}), where its losses in the proxy place it. "
        "The lower end of the scale improved most."
    )


def _rows(
    made: Artifact, rows: pd.DataFrame, column: str, chosen: object, names: dict[int, str]
) -> None:
    """Show the rows behind a group, those that changed most first."""
    part = rows[rows[column] == chosen]
    change = part["after"] - part["before"]
    part = part.iloc[np.argsort(-np.abs(change.to_numpy()), kind="stable")]
    name = f" · {names[int(str(chosen))]}" if column == "cluster" and chosen in names else ""
    st.markdown(f"**Rows of {column} {plain(chosen)}{plain(name)}**, largest change first")
    facts = part.set_index("row")[["before", "after"]].assign(
        trained=np.where(part["trained"], "yes", "no")
    )
    reader.reader(made.ancestor("dataset").id, part["row"].tolist(), "gains:rows", facts)
