from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core import clusters, jobs, layout
from core.artifact import EXTENDS, Artifact
from dashboard import charts, charts_map, data, extending, reader, running, state, theme, widgets
from dashboard.data import POINTS, Preview

COLOURS = {
    "Cluster": ("cluster", "category"),
    "Source": ("source", "category"),
    "Final loss": ("final_loss", "value"),
    "Loss drop": ("drop", "value"),
}
BINS = 300
ORDERS = {
    "Nearest the middle first": "near",
    "Highest final loss first": "high",
    "Lowest final loss first": "low",
    "Random": "random",
}


def controls(artifact: Artifact, kept: Artifact | None) -> clusters.Settings:
    """Ask for K and features; a link to a kept clustering starts with its values."""
    usable = int((data.flags(artifact.id)["flag"] == "").sum())
    config = kept.config if kept is not None else {}
    auto = clusters.auto_k(usable)
    start = int(config.get("k", auto))
    before = st.session_state.get("clusters:for", ("", ""))
    opened = (artifact.id, kept.id if kept else before[1] if before[0] == artifact.id else "")
    if before != opened:
        st.session_state["clusters:for"] = opened
        st.session_state["clusters:k"] = start
        st.session_state["clusters:features"] = config.get("features", "raw")
        st.session_state["clusters:start"] = bool(config.get("include_start", False))
        st.session_state["clusters:seed"] = int(config.get("seed", 0))
    top = max(min(300, usable), start)
    k = st.slider("Clusters (K)", 1, top, key="clusters:k", persist_state="session")
    features = st.segmented_control(
        "Compare",
        list(clusters.FEATURES),
        key="clusters:features",
        required=True,
        persist_state="session",
        help="raw losses (the paper); centred or zscore compare shapes; diff compares changes",
    )
    with st.expander("More settings", icon=":material/tune:"):
        begin = st.toggle(
            "Use step 0 too", key="clusters:start", persist_state="session",
            help="Also compare the losses before training",
        )  # fmt: skip
        seed = st.number_input("Seed", 0, key="clusters:seed", persist_state="session")
    st.caption(f"auto would be K = {auto}, for 11% of {usable:,} rows")
    return clusters.Settings(
        trajectories=artifact.id,
        k=int(k),
        features=features or "raw",
        include_start=begin,
        seed=int(seed or 0),
    )


def same_kept(artifact: Artifact, settings: clusters.Settings) -> Artifact | None:
    """Return the sealed clustering of these settings, if it was kept before."""
    names = ("k", "features", "include_start", "seed")
    for entry in state.sealed("clusters"):
        if entry.parents == {"trajectories": artifact.id} and all(
            entry.config.get(name) == getattr(settings, name) for name in names
        ):
            return state.workspace().open(entry.id)
    return None


def keep(artifact: Artifact, settings: clusters.Settings) -> None:
    """Seal the clustering that is shown, unless somebody did meanwhile."""
    made = same_kept(artifact, settings) or clusters.seal(state.workspace(), artifact, settings)
    st.query_params["clusters"] = made.id
    st.session_state["clusters:for"] = (artifact.id, made.id)


def positions(artifact: Artifact, settings: clusters.Settings) -> tuple[np.ndarray[Any, Any], str]:
    """Return the map of the features, or a quick projection and what to do for the map."""
    wanted = layout.Settings(
        trajectories=artifact.id,
        features=settings.features,
        include_start=settings.include_start,
    )
    made = layout.find(state.workspace(), wanted)
    if made is not None:
        return data.points(made.id), "UMAP"
    job = running.latest(
        "layout", trajectories=artifact.id, **({"features": settings.features} if
        settings.features != "raw" else {})
    )  # fmt: skip
    if job is not None and job.state in jobs.ACTIVE:
        running.card(job)
    else:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("A quick projection (PCA). The UMAP map of these features is not drawn yet.")
            st.button(
                "Draw the UMAP map (about a minute)",
                icon=":material/map:",
                on_click=draw,
                args=(wanted,),
            )
    return data.pca(artifact.id, settings.features, settings.include_start), "PCA"


def draw(wanted: layout.Settings) -> None:
    """Draw the UMAP map as a job."""
    running.launch("layout", wanted, "Map of trajectories", "layout")


def remember_area() -> None:
    """Keep the geometry of a box or lasso: recolouring the map must not lose it."""
    chart = st.session_state["map"]["selection"]
    area = {k: chart[k] for k in ("box", "lasso") if chart.get(k)}
    if area:
        st.session_state["clusters:area"] = area
        st.session_state.pop("clusters:cluster", None)


def forget_area() -> None:
    """Read a cluster, not an area."""
    st.session_state.pop("clusters:area", None)


def draw_map(
    artifact: Artifact, made: Preview, xy: np.ndarray[Any, Any], chosen: int | None
) -> None:
    """Draw the map, coloured as asked; above 20,000 rows a raster of all of them."""
    colour = st.segmented_control(
        "Colour", list(COLOURS), default="Cluster", key="clusters:colour", required=True,
        label_visibility="collapsed", persist_state="session",
    )  # fmt: skip
    column, mode = COLOURS[colour or "Cluster"]
    frame = data.flags(artifact.id)
    k = made.k
    shown = np.flatnonzero(np.isfinite(xy[:, 0]) & (made.labels >= 0))
    points = pd.DataFrame({"row": shown, "x": xy[shown, 0], "y": xy[shown, 1]})
    names: dict[int, str] | None = None
    title = (colour or "Cluster").lower()
    many = column == "cluster" and chosen is None and k > theme.CLUSTER_LIMIT
    if many:  # so many have no colours of their own
        means = made.table.set_index("cluster")["final_loss"].reindex(range(k)).to_numpy()
        points["colour"], mode = means[made.labels[shown]], "value"
        title = "cluster's mean final loss"
    elif column == "cluster":
        points["colour"] = made.labels[shown]
    elif column == "source":
        order = frame["source"].value_counts().index
        code = {name: i for i, name in enumerate(order)}
        points["colour"] = frame["source"].map(code).to_numpy()[shown]
        names = {i: str(name) for name, i in code.items()}
        k, chosen = len(order), None
    else:
        points["colour"] = frame[column].to_numpy()[shown]
    labels = None
    if column == "cluster":
        centres = points.groupby(made.labels[shown])[["x", "y"]].median()
        labels = made.table.set_index("cluster")[["size", "name"]].join(centres)
        labels = labels.sort_values("size", ascending=False).reset_index(names="cluster")
    if len(points) > POINTS:
        counts, x_edges, y_edges = np.histogram2d(points["x"], points["y"], bins=BINS)
        figure = charts_map.density_map(
            counts.T.astype(np.int64), x_edges.tolist(), y_edges.tolist(), labels=labels, k=k
        )
    else:
        figure = charts_map.cluster_map(
            points, mode=mode, k=k, title=title, labels=labels,
            chosen=chosen if mode == "category" else None, names=names,
        )  # fmt: skip
    st.plotly_chart(
        figure, key="map", on_select=remember_area, selection_mode=("box", "lasso"),
        config=widgets.CHART,
    )  # fmt: skip


def picked(made: Preview, xy: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], str]:
    """Return the rows to read: those in the lasso, else the chosen cluster's."""
    area = st.session_state.get("clusters:area")
    if area:
        rows = np.flatnonzero(data.inside(xy, area) & (made.labels >= 0))
        return rows, f"{len(rows):,} rows in the area drawn on the map"
    cluster = st.session_state.get("clusters:cluster")
    if cluster is None:
        return np.zeros(0, np.int64), ""
    rows = np.flatnonzero(made.labels == cluster)
    name = made.table.set_index("cluster")["name"][cluster]
    return rows, f"{len(rows):,} rows of cluster {cluster} ({name})"


def read(artifact: Artifact, made: Preview, rows: np.ndarray[Any, Any], what: str) -> None:
    """Show the texts of the picked rows."""
    if not what:
        st.info(
            "Draw a lasso or a box on the map, or choose a cluster, to read its examples.",
            icon=":material/lasso_select:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = st.selectbox("Order", list(ORDERS), key="clusters:order", width=260)
        if st.session_state.get("clusters:area"):
            st.button("Clear the area", on_click=forget_area, icon=":material/close:")
    st.markdown(running.plain(what))
    facts = data.flags(artifact.id)[["first_loss", "final_loss"]].copy()
    facts.columns = pd.Index(["first loss", "final loss"])
    facts["cluster"] = made.labels
    dataset = state.workspace().ancestor(artifact, "dataset")
    reader.reader(dataset.id, ordered(artifact, rows, ORDERS[order]), "clusters", facts)


def ordered(artifact: Artifact, rows: np.ndarray[Any, Any], how: str) -> list[int]:
    """Order rows for reading."""
    values = data.losses(artifact.id)[rows]
    if how == "random":
        return [int(r) for r in np.random.default_rng(0).permutation(rows)]
    if how == "near":
        key = ((values - values.mean(0)) ** 2).sum(1) if len(rows) else np.zeros(0)
    else:
        key = -values[:, -1] if how == "high" else values[:, -1]
    return [int(r) for r in rows[np.argsort(key, kind="stable")]]


def ribbons(made: Preview, chosen: int | None) -> None:
    """Draw a small panel per cluster."""
    by = st.segmented_control(
        "Sort", ["size", "final_loss", "drop"], default="size", key="clusters:sort", required=True,
        format_func={"size": "Size", "final_loss": "Final loss", "drop": "Loss drop"}.__getitem__,
    )  # fmt: skip
    table = made.table.sort_values(by or "size", ascending=False)
    per = 24
    pages = -(-len(table) // per)
    page = st.pagination(pages, key="clusters:ribbon-page") if pages > 1 else 1
    order = table["cluster"].iloc[(page - 1) * per : page * per].tolist()
    st.plotly_chart(
        charts.ribbons(
            made.quantiles,
            made.table.set_index("cluster")["size"],
            dict(zip(made.table["cluster"], made.table["name"], strict=True)),
            order,
            made.k,
            chosen,
        )
    )
    st.caption("Median and 10-90% band of each cluster's losses, all on one scale.")


def one(artifact: Artifact, made: Preview, cluster: int) -> None:
    """Draw the chosen cluster's trajectories against the pool."""
    values = data.losses(artifact.id)
    rows = np.flatnonzero(made.labels == cluster)
    sample = values[np.random.default_rng(0).permutation(rows)[:30]]
    pool = data.overview(artifact.id)[0]["q50"].tolist()
    part = made.quantiles[made.quantiles["cluster"] == cluster]
    st.plotly_chart(charts.cluster_ribbon(part, sample, pool, cluster=cluster, k=made.k))


widgets.title(
    "Clusters",
    "Each dot is an example; near dots lost their loss in the same way while the proxy trained. "
    "k-means cuts a continuum: islands are not proof of kinds.",
)
state.settle(("dataset", "trajectories", "clusters"))
inputs = widgets.chips("dataset", "trajectories")
artifact = inputs["trajectories"]
if artifact is None:
    widgets.empty(
        "show_chart", "Clusters need recorded trajectories.", "Train a proxy", "trajectories"
    )
    st.stop()
kept: Artifact | None = None
if st.query_params.get("clusters"):
    kept = state.current("clusters", artifact)
elif st.session_state.get("clusters:for", ("", ""))[0] != artifact.id:  # a first visit
    kept = next(
        (
            state.workspace().open(e.id)
            for e in state.sealed("clusters")
            if e.parents.get("trajectories") == artifact.id
        ),
        None,
    )
placed = kept if kept is not None and EXTENDS in kept.parents else None
left, right = st.columns([1.2, 2.6], gap="large")
with left, st.container(border=True):
    if placed is not None:
        settings = extending.placed(placed)
    else:
        settings = controls(artifact, kept)
        kept = same_kept(artifact, settings)
        if kept is not None:
            st.caption(f":material/check_circle: Kept as {running.plain(kept.name)}")
            if st.button("Choose a budget", type="primary", width="stretch",
                         icon=":material/arrow_forward:", icon_position="right"):  # fmt: skip
                state.go("selection", clusters=kept.id)
        else:
            st.caption("A preview: nothing is saved yet.")
            st.button(
                "Keep this clustering",
                type="primary",
                width="stretch",
                on_click=keep,
                args=(artifact, settings),
            )
        running.command("clusters", settings)
        extending.place_form(artifact)
if placed is not None:
    made = data.kept(placed.id)
else:
    with st.spinner("Clustering…", show_time=True):
        made = data.preview(
            artifact.id, int(settings.k), settings.features, settings.include_start, settings.seed
        )
with left:
    names = dict(zip(made.table["cluster"], made.table["name"], strict=True))
    sizes = dict(zip(made.table["cluster"], made.table["size"], strict=True))
    if st.session_state.get("clusters:cluster") not in sizes:
        st.session_state["clusters:cluster"] = None
    chosen = st.selectbox(
        "Read a cluster",
        sorted(sizes, key=lambda c: -sizes[c]),
        index=None,
        format_func=lambda c: f"{c} · {sizes[c]:,} rows · {names[c]}",
        key="clusters:cluster",
        on_change=forget_area,
        placeholder="Choose, or draw on the map",
    )
    left_out = int((made.labels < 0).sum())
    st.caption(
        f"{len(made.table)} clusters of {sizes and sum(sizes.values()):,} rows; {left_out:,} of "
        f"{len(made.labels):,} left out (held out or not measurable)"
    )
with right:
    xy, method = positions(artifact, settings)
    draw_map(artifact, made, xy, chosen)
tabs = st.tabs(["Read examples", "Ribbons", "Table"], on_change="rerun", key="clusters:tab")
if tabs[0].open:
    with tabs[0]:
        if chosen is not None:
            one(artifact, made, int(chosen))
        read(artifact, made, *picked(made, xy))
if tabs[1].open:
    with tabs[1]:
        ribbons(made, chosen)
if tabs[2].open:
    shown = made.table.rename(columns={"source": "commonest source", "purity": "its share"})
    tabs[2].dataframe(shown.round(3), hide_index=True)
