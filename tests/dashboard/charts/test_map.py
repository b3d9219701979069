import base64
import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dashboard.charts import figure, map_names, raster, theme
from dashboard.charts import map as map_charts
from dashboard.charts import scales as charts_map

RNG = np.random.default_rng(0)


def points(n=200, k=5):
    return pd.DataFrame(
        {
            "row": np.arange(n) + 1000,
            "x": RNG.normal(size=n),
            "y": RNG.normal(size=n),
            "colour": np.arange(n) % k,
        }
    )


def named(xs, ys, name="some words"):
    return pd.DataFrame({"cluster": range(len(xs)), "x": xs, "y": ys, "name": name})


@pytest.mark.parametrize("chosen", [None, 2])
@pytest.mark.parametrize("k", [5, 60])
def test_map_is_one_trace_that_carries_row_ids(k, chosen):
    data = points(k=k)
    fig = map_charts.cluster_map(data, mode="category", k=k, title="cluster", chosen=chosen)
    (trace,) = fig.data
    drawn = pd.DataFrame({"row": trace.customdata, "colour": trace.marker.color})
    assert drawn.sort_values("row")["colour"].tolist() == data["colour"].tolist()


def test_map_draws_the_chosen_cluster_last():
    trace = map_charts.cluster_map(points(), mode="category", k=5, title="cluster", chosen=2).data[
        0
    ]
    assert (np.asarray(trace.marker.color)[-40:] == 2).all()


@pytest.mark.parametrize("unclustered", [False, True])
def test_map_colour_of_a_cluster_is_the_theme_colour(unclustered):
    data = points()
    if unclustered:
        data.loc[0, "colour"] = -1
    marker = map_charts.cluster_map(data, mode="category", k=5, title="cluster").data[0].marker
    at = (3 - marker.cmin) / (marker.cmax - marker.cmin)
    step = next(c for edge, c in reversed(marker.colorscale) if edge <= at)
    assert step == figure.rgba(theme.cluster_colour(3, 5), 0.8)


def test_map_of_twenty_thousand_points_stays_small():
    fig = map_charts.cluster_map(points(20_000), mode="value", k=5, title="loss")
    assert len(fig.to_json()) < 800_000


def test_map_names_do_not_cover_each_other_and_the_chosen_one_is_kept():
    labels = pd.DataFrame(
        {
            "cluster": range(30),
            "x": RNG.normal(size=30) * 3,
            "y": RNG.normal(size=30) * 3,
            "name": "some words",
        }
    )
    labels.loc[29, ["x", "y"]] = labels.loc[0, ["x", "y"]].to_numpy()
    fig = map_charts.cluster_map(
        points(), mode="category", k=30, title="cluster", labels=labels, chosen=29
    )
    notes = fig.layout.annotations
    assert 1 < len(notes) <= 12
    assert (notes[0].x, notes[0].opacity, notes[1].opacity) == (labels["x"][29], 1, 0.7)
    assert len({(n.x, n.y) for n in notes}) == len(notes)


def boxes(fig, width=map_names.ROOM[0], height=charts_map.HEIGHT):
    """Left, right, bottom and top of the names, in pixels of a screen."""
    (x0, x1), (y0, y1) = fig.layout.xaxis.range, fig.layout.yaxis.range
    before = {"left": 0, "center": 0.5, "right": 1, "bottom": 0, "middle": 0.5, "top": 1}
    for note in fig.layout.annotations:
        wide = 7 * len(note.text)
        left = width * (note.x - x0) / (x1 - x0) - wide * before[note.xanchor]
        low = height * (note.y - y0) / (y1 - y0) - 14 * before[note.yanchor]
        yield left, left + wide, low, low + 14


@pytest.mark.parametrize("width", [420, 620, 1400])
def test_names_stay_within_the_map_and_apart_on_small_and_large_screens(width):
    data = points()
    at = data.iloc[RNG.permutation(200)[:60]]
    corners = data.agg(["min", "max"])
    xs, ys = [*corners["x"], *at["x"]], [*corners["y"], *at["y"]]
    fig = map_charts.cluster_map(
        data, mode="category", k=62, title="cluster", labels=named(xs, ys, "x" * 28)
    )
    found = list(boxes(fig, width))
    assert len(found) > 4
    for left, right, low, high in found:
        assert left >= 0
        assert right <= width
        assert low >= 0
        assert high <= charts_map.HEIGHT
    for i, a in enumerate(found):
        for b in found[i + 1 :]:
            assert a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2]


def test_names_outside_what_is_shown_are_not_written():
    fig = map_charts.cluster_map(
        points(),
        mode="category",
        k=5,
        title="c",
        labels=named([0, 0.5], [0, 0.5]),
        extent=(0.2, 1, 0.2, 1),
    )
    assert [note.x for note in fig.layout.annotations] == [0.5]
    assert fig.layout.xaxis.range == (0.2, 1)


def test_the_selected_rows_are_the_same_whatever_the_colour():
    data, lit = points(), RNG.random(200) < 0.2
    shown = []
    for colour in (data["colour"], data["x"]):
        mode = "category" if colour is data["colour"] else "value"
        (trace,) = map_charts.cluster_map(
            data.assign(colour=colour), mode=mode, k=5, title="c", selected=lit
        ).data
        shown.append(set(np.asarray(trace.customdata)[list(trace.selectedpoints)]))
    assert shown[0] == shown[1] == set(data["row"][lit])


def test_without_a_selection_every_row_has_its_colour():
    (trace,) = map_charts.cluster_map(points(), mode="category", k=5, title="c").data
    assert trace.selectedpoints is None


def test_an_empty_selection_leaves_every_row_grey():
    none = np.zeros(200, bool)
    (trace,) = map_charts.cluster_map(points(), mode="category", k=5, title="c", selected=none).data
    assert list(trace.selectedpoints) == []
    assert trace.unselected.marker.color == theme.MUTED


def test_many_clusters_take_the_colours_they_are_given():
    colours = theme.palette(60, np.linspace(0, 5, 60))
    marker = (
        map_charts.cluster_map(points(k=60), mode="category", k=60, title="c", colours=colours)
        .data[0]
        .marker
    )
    assert len({colour for _, colour in marker.colorscale}) == 60


def test_a_data_map_has_axes_and_a_layout_has_none():
    titled = map_charts.cluster_map(
        points(), mode="value", k=5, title="c", axes=map_charts.CARTOGRAPHY
    )
    assert titled.layout.xaxis.title.text == map_charts.CARTOGRAPHY[0]
    assert map_charts.CARTOGRAPHY[1] in [note.text for note in titled.layout.annotations]
    bare = map_charts.cluster_map(points(), mode="value", k=5, title="c")
    assert bare.layout.xaxis.visible is False


def picture():
    xy = RNG.normal(size=(500, 2)).astype(np.float32)
    grid = raster.grid(xy, shape=(56, 90))
    return raster.image(grid, values=xy[:, 0]), grid


def test_a_raster_is_one_picture_and_a_trace_that_turns_the_tools_on():
    image, grid = picture()
    fig = map_charts.raster_map(image, grid.extent)
    (drawn,), (tools,) = fig.layout.images, fig.data
    png = Image.open(io.BytesIO(base64.b64decode(drawn.source.partition(",")[2])))
    shown, opacity = np.asarray(png.convert("RGBA")).astype(int), image[..., 3]
    assert ((shown[..., 3] > 0) == (opacity > 0)).all()  # no row is lost by the fewer colours
    assert np.abs(shown - image)[opacity > 0].max() <= 32
    x0, x1, y0, y1 = grid.extent
    assert (drawn.x, drawn.y, drawn.sizex, drawn.sizey) == (x0, y1, x1 - x0, y1 - y0)
    assert (len(tools.x), tools.marker.opacity, fig.layout.dragmode) == (2, 0, "lasso")
    assert (fig.layout.xaxis.range, fig.layout.yaxis.range) == ((x0, x1), (y0, y1))


def test_hover_says_what_lies_under_it_and_nothing_where_nothing_lies():
    image, grid = picture()
    counts = np.array([[3, 0], [0, 7]])
    clusters = np.array([[1, -1], [-1, 4]])
    hover = map_charts.raster_map(image, grid.extent, counts=counts, clusters=clusters).data[0]
    assert (np.isfinite(hover.z) == (counts > 0)).all()
    assert np.asarray(hover.customdata)[0, 0].tolist() == [3, 1]
    assert np.asarray(hover.customdata)[1, 1].tolist() == [7, 4]
    _, x1, y0, _ = grid.extent
    assert hover.x0 + hover.dx * 1.5 == pytest.approx(x1)
    assert hover.y0 - hover.dy / 2 == pytest.approx(y0)


def test_a_raster_keeps_the_key_of_its_colours():
    image, grid = picture()
    bar = map_charts.raster_map(image, grid.extent, title="loss", span=(1.0, 4.0)).data[-1].marker
    assert (bar.cmin, bar.cmax, bar.showscale) == (1, 4, True)
    named = map_charts.raster_map(
        image, grid.extent, names={0: "a", 1: "<b>", -1: "2 others"}, colours=["#ff0000", "#0000ff"]
    ).data[-1]
    assert named.marker.colorbar.ticktext == ("2 others", "a", "&lt;b&gt;")
    assert named.marker.cmin == -1.5


def test_a_drawn_area_is_drawn_again():
    fig = map_charts.cluster_map(points(), mode="category", k=5, title="c")
    map_charts.outline(
        fig, {"box": [{"x": [0, 1], "y": [2, 3]}], "lasso": [{"x": [0, 1, 0.5], "y": [0, 0, 1]}]}
    )
    assert [shape.path for shape in fig.layout.shapes] == [
        "M0,2L1,2L1,3L0,3Z",
        "M0,0L1,0L0.5,1Z",
    ]


def test_a_map_of_no_rows_is_blank():
    fig = map_charts.cluster_map(points(0), mode="value", k=5, title="c")
    assert len(json.loads(fig.to_json())["data"]) == 1
