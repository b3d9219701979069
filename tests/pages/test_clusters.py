import numpy as np
import pytest
from streamlit.typing import PlotlyState

from core import jobs
from dashboard import data
from tests.conftest import NAME
from tests.pages.conftest import fine, flags, go, has_button, press, words


@pytest.fixture
def page(visit, shop):
    return fine(visit(shop.root, "clusters", clusters=shop.clusters))


def lasso(at, xs, ys):
    """Draw on the map, as the browser reports it; AppTest cannot drag."""
    shape = {"lasso": [{"xref": "x", "yref": "y", "x": xs, "y": ys}], "box": []}
    found = {"points": [], "point_indices": [], **shape}
    at.session_state["map"] = PlotlyState({"selection": found})
    at.session_state["clusters:area"] = {"lasso": shape["lasso"]}  # what the callback keeps
    return at.run()


def everything(shop):
    xy = data.pca(shop.trajectories, "raw", False)
    (x0, y0), (x1, y1) = np.nanmin(xy, 0) - 1, np.nanmax(xy, 0) + 1
    return [float(v) for v in (x0, x1, x1, x0)], [float(v) for v in (y0, y0, y1, y1)]


def test_without_trajectories_it_says_what_to_do(visit, bare):
    at = fine(visit(bare.root, "clusters"))
    assert has_button(at, "Train a proxy")
    assert "Clusters need recorded trajectories" in words(at)


def test_it_names_its_inputs_and_counts_the_rows_left_out(page):
    assert f"dataset: {NAME}" in words(page)
    assert "trajectories: " in words(page)
    assert "6 clusters of 113 rows; 17 of 130 left out" in words(page)


def test_a_link_opens_that_clustering(page, shop):
    assert page.slider(key="clusters:k").value == 6
    assert "Kept as" in words(page)
    assert not has_button(page, "Keep this clustering")


def test_the_slider_redraws_a_preview_and_only_the_button_seals_one(page, shop):
    before = {e.id for e in shop.workspace.entries()}
    for k in (3, 9):
        fine(page.slider(key="clusters:k").set_value(k).run())
        assert f"{k} clusters of 113 rows" in words(page)
        assert "nothing is saved yet" in words(page)
        assert {e.id for e in shop.workspace.entries()} == before
    fine(press(page, "Keep this clustering"))
    (made,) = {e.id for e in shop.workspace.entries()} - before
    assert shop.workspace.open(made, "clusters").summary["clusters"] == 9
    assert page.query_params["clusters"] == made
    assert "Kept as" in words(page)
    fine(press(page, "Choose a budget"))
    assert page.header[0].value == "Selection"
    assert page.query_params["clusters"] == made


def test_keeping_twice_makes_one(visit, shop):
    two = [visit(shop.root, "clusters", clusters=shop.clusters) for _ in range(2)]
    for at in two:
        at.slider(key="clusters:k").set_value(4).run()
    for at in two:
        press(at, "Keep this clustering")
    made = [e for e in shop.workspace.entries("clusters") if e.config.get("k") == 4]
    assert len(made) == 1


def test_a_lasso_fills_the_reader_with_the_rows_inside(page, shop):
    assert "Draw a lasso" in words(page)
    fine(lasso(page, *everything(shop)))
    assert "113 rows in the area" in words(page)
    xy = data.pca(shop.trajectories, "raw", False)
    row = int(np.flatnonzero(np.isfinite(xy[:, 0]))[5])
    (x, y), gap = xy[row].tolist(), 1e-4
    near = int((np.abs(xy - xy[row]) <= gap).all(1).sum())
    fine(lasso(page, [x - gap, x + gap, x + gap, x - gap], [y - gap, y - gap, y + gap, y + gap]))
    assert f"{near} rows in the area" in words(page)
    assert near < 20
    assert f"row {row:,} " in words(page)


@pytest.mark.parametrize("colour", ["Source", "Final loss", "Loss drop"])
def test_recolouring_keeps_the_area(page, shop, colour):
    lasso(page, *everything(shop))
    fine(page.button_group(key="clusters:colour").set_value(colour).run())
    assert "113 rows in the area" in words(page)
    fine(press(page, "Clear the area"))
    assert "in the area" not in words(page)


def test_a_chosen_cluster_is_read_page_by_page_and_texts_stay_text(page, shop):
    box = page.selectbox(key="clusters:cluster")
    fine(box.set_value(5).run())
    assert "rows of cluster 5" in words(page)
    assert not [m.value for m in page.markdown if "<script" in m.value]


def test_hostile_and_very_long_texts_are_shown_as_code(page, shop):
    lasso(page, *everything(shop))
    shown = ""
    for number in range(1, 7):
        page.session_state["clusters:page:113"] = number
        fine(page.run())
        shown += "\n".join(c.value for c in page.code)
        assert "<script" not in "".join(m.value for m in page.markdown)
        assert not page.get("html")
    assert "<script>window.__pwned=1;alert(1)</script>" in shown
    assert "96,000 more characters" in shown


def test_ribbons_and_table_open(page):
    page.session_state["clusters:tab"] = "Ribbons"
    fine(page.run())
    assert "Median and 10-90% band" in words(page)
    page.session_state["clusters:tab"] = "Table"
    fine(page.run())
    assert len(page.dataframe[0].value) == 6


@pytest.mark.parametrize("features", ["centred", "diff", "zscore"])
def test_other_features_draw_too(page, features):
    fine(page.button_group(key="clusters:features").set_value(features).run())
    assert "6 clusters of 113 rows" in words(page)


def test_the_map_is_a_job(page, shop, busy):
    busy(shop.workspace)
    fine(press(page, "Draw the UMAP map"))
    (job,) = jobs.active(shop.workspace)
    assert flags(job) == ["layout", "--trajectories", shop.trajectories]
    assert "Waiting" in words(page)
    assert not has_button(page, "Draw the UMAP map")


def test_settings_survive_a_visit_to_another_page(page):
    page.slider(key="clusters:k").set_value(5).run()
    page.button_group(key="clusters:colour").set_value("Source").run()
    fine(go(page, "dataset"))
    fine(go(page, "clusters"))
    assert page.slider(key="clusters:k").value == 5
    assert page.button_group(key="clusters:colour").value == "Source"


def test_a_first_visit_opens_the_newest_kept_clustering(visit, shop):
    at = fine(visit(shop.root, "clusters"))
    assert at.slider(key="clusters:k").value == 6
    assert "Kept as" in words(at)
