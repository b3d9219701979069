import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from dashboard.charts import clusters as cluster_charts
from dashboard.charts import theme
from tests.dashboard.charts.conftest import RNG, bars, texts

STEPS = [0, 10, 20, 40]


def quantiles(k):
    curve = pd.DataFrame({"step": STEPS, "q10": 1.0, "q50": 2.0, "q90": [9.0, 4, 3, 3]})
    return pd.concat([curve.assign(cluster=c) for c in range(k)], ignore_index=True)


def ribbons(k, **settings):
    samples = {c: RNG.random((9, 4)) for c in range(k)}
    return cluster_charts.ribbons(
        quantiles(k), samples, dict.fromkeys(range(k), 7), {}, list(range(k)), k, **settings
    )


def lines(fig):
    return [trace for trace in fig.data if trace.type == "scatter" and trace.hovertemplate]


def test_ribbons_draw_four_traces_a_panel_and_at_most_24_panels():
    assert len(ribbons(30).data) == 4 * 24


def test_a_cluster_without_samples_is_drawn_too():
    fig = cluster_charts.ribbons(quantiles(2), {}, {0: 1, 1: 1}, {}, [1, 0], 2)
    assert len(fig.data) == 3 * 2


def test_whatever_is_hit_in_a_panel_names_its_cluster():
    fig = ribbons(8)
    hit = [trace for trace in fig.data if trace.hoverinfo != "skip"]
    assert {int(trace.xaxis[1:] or 1) for trace in hit} == set(range(1, 9)), "a part of every panel"
    for trace in hit:
        panel = int(trace.xaxis[1:] or 1) - 1
        assert {row[0] for row in np.asarray(trace.customdata).tolist()} == {panel}


def test_nothing_in_a_panel_swallows_a_click():
    fig = ribbons(8)
    assert all("markers" in line.mode for line in lines(fig))  # lines alone cannot be selected
    for i in ("", *range(2, 9)):  # else its edges are for dragging
        assert fig.layout[f"xaxis{i}"].fixedrange
        assert fig.layout[f"yaxis{i}"].fixedrange


def test_the_button_of_a_panel_covers_it_without_being_seen():
    fig = ribbons(8)
    for bar in bars(fig):
        left, right = fig.layout.xaxis.range
        assert bar.x[0] - bar.width / 2 <= left
        assert bar.x[0] + bar.width / 2 >= right
        assert bar.y[0] >= fig.layout.yaxis.range[1]
        assert bar.marker.color.endswith(",0)")


def test_every_panel_has_the_same_axes():
    fig = ribbons(8)
    for i in range(2, 9):
        assert fig.layout[f"xaxis{i}"].range == fig.layout.xaxis.range
        assert fig.layout[f"yaxis{i}"].range == fig.layout.yaxis.range


def test_a_rare_high_row_does_not_flatten_the_panels():
    samples = {0: np.array([[1, 500, 1, 1.0]])}
    fig = cluster_charts.ribbons(quantiles(1), samples, {0: 1}, {}, [0], 1)
    assert fig.layout.yaxis.range[1] < 10
    assert np.nanmax(fig.data[2].y) <= fig.layout.yaxis.range[1]


def test_chosen_ribbon_keeps_its_colour_and_the_others_lose_theirs():
    colours = [line.line.color for line in lines(ribbons(3, chosen=1))]
    assert colours == [theme.MUTED, theme.cluster_colour(1, 3), theme.MUTED]


def test_many_clusters_take_the_colours_of_their_final_loss():
    colours = theme.palette(60, np.linspace(0, 5, 60))
    assert [line.line.color for line in lines(ribbons(60, colours=colours))] == colours[:24]


def test_no_clusters_are_an_empty_figure():
    fig = cluster_charts.ribbons(quantiles(2), {}, {}, {}, [], 2)
    assert not fig.data
    assert fig.layout.height > 0


def test_inside_and_across_are_shares_with_their_medians():
    inside, across = RNG.random(200), 3 + RNG.random(300)
    fig = cluster_charts.inside_across(
        inside, across, STEPS, RNG.random((30, 4)), RNG.random((5, 4)), cluster=7
    )
    assert [sum(trace.y) for trace in fig.data[:2]] == pytest.approx([100, 100])
    assert f"median {np.median(inside):.2f} of 200 pairs" in texts(fig)
    assert f"median {np.median(across):.2f} of 300 pairs" in texts(fig)
    assert "12 rows of cluster 7" in texts(fig)
    assert "5 rows of other clusters" in texts(fig)


def test_equal_trajectories_have_a_distance_of_nothing():
    zero = np.zeros(5)
    fig = cluster_charts.inside_across(
        zero, zero, STEPS, np.ones((1, 4)), np.ones((1, 4)), cluster=0
    )
    assert [max(trace.y) for trace in fig.data[:2]] == [100, 100]


def curve(path):
    return [tuple(map(float, p.strip("ML").split())) for p in path.replace("L", "|").split("|")]


def test_a_sparkline_keeps_its_scale_and_its_size():
    svg = ET.fromstring(
        cluster_charts.sparkline(np.array([9.0, 4, -1]), np.array([4.0, 4, 4]), (0.0, 8.0))
    )
    pool, row = (curve(path.get("d")) for path in svg if path.tag.endswith("path"))
    assert [y for _, y in pool] == [14, 14, 14]
    assert [y for _, y in row] == [3, 14, 25]  # what lies outside is at the edge
    assert [x for x, _ in row] == [3, 60, 117]
    assert {e.get("stroke") for e in svg} == {theme.MUTED, theme.ACCENT, None}


def test_a_sparkline_has_a_gap_where_nothing_was_measured():
    nan = np.nan
    svg = ET.fromstring(
        cluster_charts.sparkline(np.array([nan, 2, nan, 3, 3]), np.zeros(5), (0.0, 8.0))
    )
    path = svg[1].get("d")
    assert path.count("M") == 2
    assert path.count("L") == 1
    assert "nan" not in ET.tostring(svg, "unicode")


def test_a_sparkline_of_nothing_shows_the_pool():
    svg = ET.fromstring(cluster_charts.sparkline(np.full(3, np.nan), np.ones(3), (0.0, 8.0)))
    assert [e.tag.rpartition("}")[2] for e in svg] == ["path", "path"]
    assert svg[1].get("d") == ""
