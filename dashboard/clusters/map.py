"""Where each row lies: maps of trajectories or texts and the data map, drawn with one selection.

A map is named by a word that settles it for ever ("islands:<id>", "pca:raw:0", "cartography"), so
an area drawn on it means the same rows whatever is looked at later. Up to 20,000 rows are points;
above, the server draws a picture of all of them and the browser sends back geometry only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core import clusters, jobs, layout
from core.arrays import Float32s
from core.errors import InputError
from core.trajectories.artifact import POOLED
from core.workspace.artifact import Artifact
from dashboard.charts import map as map_charts
from dashboard.charts import map_names, raster
from dashboard.clusters import gestures, map_colours
from dashboard.clusters.preview import ClustersPreview
from dashboard.frame import data, job_card, state, widgets
from dashboard.frame.data import POINTS

COARSE = (56, 90)
"""Cells of a picture that say how many rows they hold."""
VIEWS = ("Trajectories", "Quick", "Texts", "Data map")
LABELS = {"Quick": "PCA"}
"""What a view is called where links, which last, have another word."""
HELP = (
    "Trajectories: UMAP of the losses, its islands moved closer: how far apart they lie means "
    "nothing. PCA: their two main directions (PCA). Texts: UMAP of what "
    "the proxy makes of the words; is a cluster a topic or a difficulty? Data map: how sure the "
    "proxy is of a row on average, against how much that varies (Swayamdipta et al. 2020)."
)
SENTENCES = {
    "Trajectories": "Dots close together were learned alike. k-means cuts a continuum: islands "
    "are not proof of kinds.",
    "Quick": "The two main directions of the losses (PCA).",
    "Texts": "Dots close together read alike to the proxy. A cluster that stays together is a "
    "topic; one that is scattered is a difficulty.",
    "Data map": "Top left: easy. Bottom left: hard, perhaps wrong. Right: ambiguous, where the "
    "proxy kept changing its mind.",
}


class Map(NamedTuple):
    """A map that can be drawn."""

    name: str
    """What settles it; empty if it is not there yet."""
    axes: tuple[str, str] | None = None
    proposed: layout.Settings | None = None
    """The layout that would make it, or make it better."""


def sentence() -> str:
    """Return what to look for on the map that is shown."""
    return SENTENCES.get(str(st.session_state.get("clusters:view")), SENTENCES[VIEWS[0]])


def of(view: str, artifact: Artifact, settings: clusters.Settings) -> Map:
    """Return the map of a view, as far as it was made."""
    if view == "Data map":
        return Map("cartography", map_charts.CARTOGRAPHY)
    quick = Map(f"pca:{settings.features}:{int(settings.include_start)}")
    if view == "Quick":
        return quick
    if view == "Texts":
        layout_settings = layout.Settings(trajectories=artifact.id, of="embeddings")
        quick = Map("")
    else:
        layout_settings = layout.Settings(
            trajectories=artifact.id,
            features=settings.features,
            include_start=settings.include_start,
        )
    made = layout.find(state.workspace(), layout_settings)
    return quick._replace(proposed=layout_settings) if made is None else Map(f"islands:{made.id}")


def points_of(id: str, name: str) -> Float32s:
    """Return where each row of the trajectories lies on a map (n_rows, 2); NaN if nowhere.

    Raises:
        InputError: there is no such map.
    """
    kind, _, rest = name.partition(":")
    if kind == "islands":
        return data.points(rest)
    if kind == "pca":
        features, start = rest.split(":")
        return data.pca(id, features, start == "1")
    if kind == "cartography":
        return data.cartography(id)
    raise InputError(f"no map {name!r}")


def ask(artifact: Artifact) -> str:
    """Ask which map to look at."""
    known = VIEWS if (artifact.path / POOLED).exists() else [v for v in VIEWS if v != "Texts"]
    if st.session_state.get("clusters:view") not in known:
        st.session_state["clusters:view"] = known[0]
    view = st.segmented_control(
        "Map",
        known,
        key="clusters:view",
        format_func=lambda v: LABELS.get(v, v),
        required=True,
        label_visibility="collapsed",
        persist_state="session",
        help=HELP,
    )
    return view or known[0]


def beside(artifact: Artifact, view: str) -> str:
    """Ask whether a second map stands beside the first; return its view, empty for none."""
    second = "Trajectories" if view == "Texts" else "Texts"
    if not (artifact.path / POOLED).exists():
        return ""
    words = f"{second} beside it"
    help = "Two maps of the same rows: same colours, and what is drawn on one lights up on both."
    on = st.toggle(words, key="clusters:beside", help=help, persist_state="session")
    return second if on else ""


def missing(map: Map) -> bool:
    """Offer to draw the map where it is not made yet; say whether there is nothing to show."""
    if map.proposed is None:
        return False
    job = jobs.latest(state.workspace(), "layout", map.proposed)
    if job is not None and job.state in jobs.ACTIVE:
        job_card.card(job)
    else:
        what = "texts" if map.proposed.of == "embeddings" else "these features"
        instead = "" if not map.name else " Shown is a quick projection (PCA)."
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"The UMAP map of {what} is not drawn yet.{instead}")
            st.button(
                "Draw the UMAP map (about a minute)",
                icon=":material/map:",
                on_click=_draw,
                args=(map.proposed,),
            )
    return not map.name


def _draw(settings: layout.Settings) -> None:
    what = "texts" if settings.of == "embeddings" else "trajectories"
    job_card.launch("layout", settings, f"Map of {what}", "layout")


def draw(
    artifact: Artifact,
    made: ClustersPreview,
    map: Map,
    chosen: int | None,
    picked: npt.NDArray[np.bool_] | None,
    colour: map_colours.Colour,
    key: str = "map",
) -> None:
    """Draw a map, coloured as asked, the picked rows lit up.

    Args:
        map: One that is made.
        chosen: Cluster to light up.
        picked: Rows to light up (n_rows,).
        colour: Colours of all rows.
        key: Of the chart; two maps side by side have one each.
    """
    xy = points_of(artifact.id, map.name)
    placed = np.isfinite(xy[:, 0]) & (made.labels >= 0)
    window = st.session_state.get(f"clusters:window:{map.name}")
    view = placed & _within(xy, window) if window else placed
    look: dict[str, Any] = {
        "title": colour.title,
        "names": colour.names,
        "colours": colour.colours,
        "axes": map.axes,
        "room": map_names.HALF_ROOM if st.session_state.get("clusters:beside") else map_names.ROOM,
        "chosen": chosen if colour.by_cluster else None,
    }
    called = dict(zip(made.table["cluster"], made.table["name"], strict=True))
    if colour.by_cluster:
        look["labels"] = labels(artifact.id, made, map.name)
    if colour.colours is None:
        seen = colour.values[placed]
        look["span"] = (
            (float(seen.min(initial=np.inf)), float(seen.max(initial=-np.inf)))
            if colour.by_cluster and len(seen)
            else raster.ends(seen)
        )
    if picked is None and look["chosen"] is not None and colour.colours is None:
        picked = made.labels == chosen
    if int(view.sum()) > POINTS:
        figure = _picture(
            artifact.id, made, map.name, view, window, colour, look | {"hover": called}, picked
        )
    else:
        rows = np.flatnonzero(view)
        frame = pd.DataFrame({"row": rows, "x": xy[rows, 0], "y": xy[rows, 1]})
        frame["colour"] = colour.values[rows]
        figure = map_charts.cluster_map(
            frame,
            mode=colour.mode,
            k=len(colour.colours or ()),
            extent=window,
            selected=None if picked is None else picked[rows],
            **look,
            hover=called if colour.by_cluster else colour.names,
        )
    area = st.session_state.get("clusters:area")
    if area and area["map"] == map.name:
        map_charts.outline(figure, area)
    st.plotly_chart(
        figure,
        key=key,
        on_select=lambda: gestures.remember(key, map.name),
        selection_mode=("box", "lasso"),
        config=widgets.CHART,
        height="stretch",
        alt=f"Map of {int(view.sum()):,} rows, coloured by {colour.title}",
    )
    gestures.zoom(map.name, window, int(placed.sum()), int(view.sum()))


def labels(id: str, made: ClustersPreview, name: str) -> pd.DataFrame:
    """Return clusters with their names and places on a map, largest first."""
    table = made.table.set_index("cluster")[["size", "name"]]
    placed = table.join(_centres(id, name, made, made.key), how="inner")
    return placed.sort_values("size", ascending=False).reset_index(names="cluster")


def _picture(
    id: str,
    made: ClustersPreview,
    name: str,
    view: npt.NDArray[np.bool_],
    window: raster.Extent | None,
    colour: map_colours.Colour,
    look: dict[str, Any],
    picked: npt.NDArray[np.bool_] | None,
) -> Any:
    """Draw more rows than a browser takes, all of them, as a picture."""
    lit = picked
    if lit is None and look["chosen"] is not None:
        lit = made.labels == look["chosen"]
    cells = grid(id, name, window, raster.SHAPE).only(view)
    if colour.colours is None:
        image = raster.image(cells, values=colour.values, span=look["span"], highlight=lit)
    else:
        image = raster.image(cells, categories=colour.values, colours=colour.colours, highlight=lit)
    coarse = grid(id, name, window, COARSE).only(view)
    return map_charts.raster_map(
        image,
        cells.extent,
        counts=raster.counts(coarse),
        clusters=raster.majority(coarse, made.labels, made.k),
        **look,
    )


@st.cache_resource(max_entries=8, show_spinner=False)
def grid(id: str, name: str, window: raster.Extent | None, shape: tuple[int, int]) -> raster.Grid:
    """Return where each row falls in the cells of a map, or of the part that a window shows."""
    return raster.grid(points_of(id, name), window, shape)


@st.cache_resource(max_entries=8, show_spinner=False)
def _centres(id: str, map: str, _made: ClustersPreview, key: str) -> pd.DataFrame:
    """Return where each cluster is densest on a map: x, y by cluster."""
    xy = points_of(id, map)
    placed = np.isfinite(xy[:, 0]) & (_made.labels >= 0)
    return raster.densest(xy[placed], _made.labels[placed])


def _within(xy: Float32s, window: raster.Extent) -> npt.NDArray[np.bool_]:
    x0, x1, y0, y1 = window
    return (xy[:, 0] >= x0) & (xy[:, 0] <= x1) & (xy[:, 1] >= y0) & (xy[:, 1] <= y1)
