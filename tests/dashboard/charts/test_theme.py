import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from streamlit.elements.lib.streamlit_plotly_theme import BG_COLOR, GRAY_90

from dashboard.charts import theme
from dashboard.frame import widgets

CONFIG = tomllib.loads((Path(__file__).parents[3] / ".streamlit/config.toml").read_text())
BACKGROUNDS = [CONFIG["theme"][scheme]["backgroundColor"] for scheme in ("light", "dark")]
OKABE_ITO = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7"]

# Machado, Oliveira and Fernandes 2009, full severity, linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
TO_CONE = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def contrast(a, b):
    low, high = sorted((theme.luminance(a), theme.luminance(b)))
    return (high + 0.05) / (low + 0.05)


def oklab(colour, sight):
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return TO_LAB @ np.cbrt(TO_CONE @ np.clip(SIGHT[sight] @ linear, 0, 1))


def nearest(colours, sight):
    labs = [oklab(c, sight) for c in colours]
    return min(np.linalg.norm(a - b) for a, b in combinations(labs, 2))


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("k", [10, 40])
def test_every_cluster_colour_stands_out_in_both_schemes(k, background):
    assert min(contrast(c, background) for c in theme.cluster_colours(k)) >= 2


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_accent_and_grey_meet_the_contrast_asked_of_graphics(background):
    assert contrast(theme.ACCENT, background) >= 3
    assert contrast(theme.MUTED, background) >= 3
    assert min(contrast(c, background) for c in theme.SEQUENTIAL) >= 1.8


@pytest.mark.parametrize("sight", SIGHT)
def test_ten_colours_are_as_far_apart_as_okabe_ito_for_every_reader(sight):
    reference = min(nearest(OKABE_ITO, s) for s in SIGHT)
    assert nearest(theme.cluster_colours(10), sight) >= reference


@pytest.mark.parametrize("k", [1, 10, 11, 40])
def test_clusters_have_distinct_colours(k):
    assert len(set(theme.cluster_colours(k))) == k


def test_beyond_forty_clusters_only_the_accent_is_left():
    assert theme.cluster_colours(41) is None
    assert theme.cluster_colour(7, 41) == theme.ACCENT


def test_unclustered_is_grey_at_any_k():
    assert {theme.cluster_colour(-1, k) for k in (3, 30, 300)} == {theme.MUTED}


def test_a_source_keeps_its_colour_whatever_the_order():
    assert theme.source_colours(["b", "a", "c"]) == theme.source_colours(["c", "b", "a", "a"])


def test_more_sources_than_colours_end_in_grey():
    colours = theme.source_colours([f"{i:03}" for i in range(50)])
    assert colours["000"] != theme.MUTED
    assert colours["049"] == theme.MUTED


def test_settings_repeat_the_palette_of_the_charts():
    assert CONFIG["theme"]["chartCategoricalColors"] == list(theme.cluster_colours(10))


def test_streamlit_still_replaces_ink_and_paper_by_the_colours_of_the_scheme():
    assert (theme.INK, theme.PAPER) == (GRAY_90, BG_COLOR)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_accent_can_be_read_as_text_and_buttons_have_white_on_their_own_blue(scheme):
    settings = CONFIG["theme"][scheme]
    assert contrast(settings["primaryColor"], settings["backgroundColor"]) >= 4.5
    assert contrast(settings["textColor"], settings["secondaryBackgroundColor"]) >= 7
    button = CONFIG["theme"]["light"]["primaryColor"]
    assert f"background-color: {button}" in widgets.STYLE
    assert contrast(button, "#ffffff") >= 4.5


def test_server_listens_to_this_machine_only_and_reports_nothing():
    assert CONFIG["server"]["address"] == "127.0.0.1"
    assert CONFIG["browser"]["gatherUsageStats"] is False


def test_many_clusters_are_coloured_from_the_lowest_to_the_highest_loss():
    colours = theme.palette(41, [5.0, *np.linspace(1, 2, 39), np.nan])
    assert colours[0] == theme.SEQUENTIAL[-1]
    assert colours[1] == theme.SEQUENTIAL[0]
    assert colours[40] == theme.MUTED


def test_few_clusters_keep_their_own_colours_whatever_their_loss():
    assert theme.palette(40, [1.0] * 40) == list(theme.cluster_colours(40))


@pytest.mark.parametrize("values", [[2.0, 2.0], [float("nan")], []])
def test_losses_that_do_not_differ_have_one_colour(values):
    assert len(set(theme.graded(values))) <= 1


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_every_shade_of_the_scale_stands_out_in_both_schemes(background):
    assert min(contrast(c, background) for c in theme.shades(50)) >= 1.7
