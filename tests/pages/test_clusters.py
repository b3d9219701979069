import html

import numpy as np
import pandas as pd
import pytest
from streamlit.typing import PlotlyState

from core import edits, jobs, layout, selection
from core.settings import to_argv
from core.workspace import shared_views
from dashboard.clusters import preview
from dashboard.frame import data
from tests.conftest import NAME
from tests.pages.conftest import fine, flags, go, has_button, press, words


@pytest.fixture
def page(visit, copied):
    return fine(visit(copied.root, "clusters", clusters=copied.clusters))


def lasso(at, xs, ys, map="pca:raw:0"):
    """Draw on the map, as the browser reports it; AppTest cannot drag."""
    shape = {"lasso": [{"xref": "x", "yref": "y", "x": xs, "y": ys}], "box": []}
    found = {"points": [], "point_indices": [], **shape}
    at.session_state["map"] = PlotlyState({"selection": found})
    # what the callback keeps
    at.session_state["clusters:area"] = {"map": map, "lasso": [{"x": xs, "y": ys}]}
    return at.run()


def everything(copied):
    xy = data.pca(copied.trajectories, "raw", False)
    (x0, y0), (x1, y1) = np.nanmin(xy, 0) - 1, np.nanmax(xy, 0) + 1
    return [float(v) for v in (x0, x1, x1, x0)], [float(v) for v in (y0, y0, y1, y1)]


def test_without_trajectories_it_says_what_to_do(visit, bare):
    at = fine(visit(bare.root, "clusters"))
    assert has_button(at, "Import a dataset")
    assert "Clusters are made of recorded trajectories" in words(at)


def test_it_names_its_inputs_and_counts_the_rows_left_out(page):
    assert f"dataset: {NAME}" in words(page)
    assert "trajectories: " in words(page)
    assert "6 clusters of 139 rows; in none: 20 held out, 1 no response token" in words(page)


def test_a_link_opens_that_clustering(page, copied):
    assert page.slider(key="clusters:k").value == 6
    assert "Kept as" in words(page)
    assert not has_button(page, "Keep this clustering")


def test_the_slider_redraws_a_preview_and_only_the_button_seals_one(page, copied):
    before = {e.id for e in copied.workspace.entries()}
    for k in (3, 9):
        fine(page.slider(key="clusters:k").set_value(k).run())
        assert f"{k} clusters of 139 rows" in words(page)
        assert "nothing is saved yet" in words(page)
        assert {e.id for e in copied.workspace.entries()} == before
    fine(press(page, "Keep this clustering"))
    (made,) = {e.id for e in copied.workspace.entries()} - before
    assert copied.workspace.open(made, "clusters").summary["clusters"] == 9
    assert page.query_params["clusters"] == made
    assert "Kept as" in words(page)
    fine(press(page, "Choose a budget"))
    assert page.header[0].value == "Selection"
    assert page.query_params["clusters"] == made


def test_keeping_twice_makes_one(visit, copied):
    two = [visit(copied.root, "clusters", clusters=copied.clusters) for _ in range(2)]
    for at in two:
        at.slider(key="clusters:k").set_value(4).run()
    for at in two:
        press(at, "Keep this clustering")
    made = [e for e in copied.workspace.entries("clusters") if e.config.get("k") == 4]
    assert len(made) == 1


def test_a_lasso_fills_the_reader_with_the_rows_inside(page, copied):
    assert "Draw a box or a lasso" in words(page)
    fine(lasso(page, *everything(copied)))
    assert "139 rows in the area" in words(page)
    xy = data.pca(copied.trajectories, "raw", False)
    row = int(np.flatnonzero(np.isfinite(xy[:, 0]))[5])
    (x, y), gap = xy[row].tolist(), 1e-4
    near = int((np.abs(xy - xy[row]) <= gap).all(1).sum())
    fine(lasso(page, [x - gap, x + gap, x + gap, x - gap], [y - gap, y - gap, y + gap, y + gap]))
    assert f"{near} rows in the area" in words(page)
    assert near < 20
    assert f"row {row:,} " in words(page)


@pytest.mark.parametrize("colour", ["Source", "Final loss", "Mark", "Forgetting", "task (input)"])
def test_recolouring_keeps_the_area(page, copied, colour):
    lasso(page, *everything(copied))
    fine(page.selectbox(key="clusters:colour").set_value(colour).run())
    assert "139 rows in the area" in words(page)
    fine(press(page, "Clear"))
    assert "in the area" not in words(page)


def test_a_chosen_cluster_is_read_page_by_page_and_texts_stay_text(page, copied):
    box = page.selectbox(key="clusters:cluster")
    fine(box.set_value(5).run())
    assert "rows in cluster 5" in words(page)
    assert not [m.value for m in page.markdown if "<script" in m.value]


def test_hostile_and_very_long_texts_are_escaped(page, copied):
    lasso(page, *everything(copied))
    shown = ""
    for number in range(1, 8):
        page.session_state["clusters:page"] = number
        fine(page.run())
        bodies = "".join(e.proto.body for e in page.get("html"))
        assert "<script" not in bodies + "".join(m.value for m in page.markdown)
        assert bodies.count("<img") == bodies.count('<img alt="loss trajectory" src="data:')
        assert "<iframe" not in bodies
        shown += words(page)
    assert "<script>window.__pwned=1;alert(1)</script>" in html.unescape(shown)
    assert "96,000 more characters" in shown


TABS = {
    "Ribbons": "Median, 10-90% band",
    "Clusters": "",
    "Profile": "What separates the clusters?",
    "How many?": "The number of clusters matters only",
    "Health": "Nothing is removed unless you say so",
}


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_opens(page, tab):
    page.session_state["clusters:tab"] = tab
    fine(page.run())
    assert TABS[tab] in words(page)
    fine(page.selectbox(key="clusters:cluster").set_value(2).run())
    if tab == "Clusters":
        assert len(page.dataframe[0].value) == 6


@pytest.mark.parametrize("features", ["centred", "diff", "zscore"])
def test_other_features_draw_too(page, features):
    fine(page.selectbox(key="clusters:features").set_value(features).run())
    assert "6 clusters of 139 rows" in words(page)


def test_the_map_is_a_job(page, copied, busy):
    busy(copied.workspace)
    fine(press(page, "Draw the UMAP map"))
    (job,) = jobs.active(copied.workspace)
    assert flags(job) == ["layout", "--trajectories", copied.trajectories]
    assert "Waiting" in words(page)
    assert not has_button(page, "Draw the UMAP map")


def test_a_map_that_is_being_drawn_is_not_taken_for_another(page, copied, busy):
    busy(copied.workspace)
    others = (
        layout.Settings(trajectories=copied.trajectories, of="embeddings"),
        layout.Settings(trajectories=copied.trajectories, include_start=True),
    )
    for other in others:
        jobs.submit(copied.workspace, ["layout", *to_argv(other)], title="Another map")
    fine(page.run())
    assert has_button(page, "Draw the UMAP map")
    assert words(page).count("Another map") == 2, "in the sidebar only"
    fine(press(page, "Draw the UMAP map"))
    assert not has_button(page, "Draw the UMAP map")
    assert len(jobs.active(copied.workspace)) == 3


def test_settings_survive_a_visit_to_another_page(page):
    page.slider(key="clusters:k").set_value(5).run()
    page.selectbox(key="clusters:colour").set_value("Source").run()
    fine(go(page, "dataset"))
    fine(go(page, "clusters"))
    assert page.slider(key="clusters:k").value == 5
    assert page.selectbox(key="clusters:colour").value == "Source"


def test_a_first_visit_opens_the_newest_kept_clustering(visit, copied):
    at = fine(visit(copied.root, "clusters"))
    assert at.slider(key="clusters:k").value == 6
    assert "Kept as" in words(at)


def test_a_search_narrows_what_is_read_and_marks_it(page):
    fine(page.text_input(key="clusters:search").set_value("larger than").run())
    assert "rows with “larger than”" in words(page)
    bodies = [b for e in page.get("html") if not (b := e.proto.body).startswith("<style")]
    assert bodies
    assert all("<mark" in body for body in bodies)
    page.toggle(key="clusters:regex").set_value(True)
    fine(page.text_input(key="clusters:search").set_value(r"sum of \d+ and 1").run())
    assert "matching" in words(page)
    at = page.text_input(key="clusters:search").set_value("(").run()
    assert not at.exception
    assert "not a regular expression" in words(at)


def test_filters_narrow_further(page, copied):
    lasso(page, *everything(copied))
    fine(page.multiselect(key="clusters:filters").set_value(["Source", "Response tokens"]).run())
    fine(page.multiselect(key="clusters:filter:Source").set_value(["compare"]).run())
    assert "rows in the area drawn on the map, Source is compare" in words(page)
    known = data.flags(copied.trajectories)
    expected = int(((known["source"] == "compare") & (known["flag"] == "")).sum())
    assert f"{expected} rows in the area" in words(page)


def test_a_row_is_jumped_to_by_number_or_id(page):
    fine(page.selectbox(key="clusters:cluster").set_value(5).run())
    fine(page.text_input(key="clusters:jump").set_value("7").run())
    assert "row 7 " in page.get("html")[0].proto.body
    at = page.text_input(key="clusters:jump").set_value("nobody").run()
    assert "No row has the number or id nobody" in words(at)


def test_excluding_all_that_is_picked_is_undone_and_redone(page, copied):
    fine(page.selectbox(key="clusters:cluster").set_value(5).run())
    inside = int((preview.kept(copied.clusters).labels == 5).sum())
    fine(press(page, f"Exclude all {inside}"))
    assert f"{inside} rows excluded, 0 pinned" in words(page)
    log = edits.read(copied.workspace, copied.dataset)
    assert len(log.excluded) == inside
    fine(press(page, "Undo"))
    assert "rows excluded" not in words(page)
    fine(press(page, "Redo"))
    assert f"{inside} rows excluded" in words(page)
    fine(press(page, f"Include {inside} again"))
    assert len(edits.read(copied.workspace, copied.dataset).excluded) == 0


def test_one_row_is_pinned_and_the_selection_takes_it(page, copied):
    fine(page.selectbox(key="clusters:cluster").set_value(5).run())
    button = next(b for b in page.button if b.key and b.key.startswith("row:Pin:"))
    row = int(button.key.split(":")[-1])
    fine(button.click().run())
    assert edits.read(copied.workspace, copied.dataset).pinned.tolist() == [row]
    made = selection.run(copied.workspace, selection.Settings(parent=copied.clusters, budget="5"))
    table = pd.read_parquet(copied.workspace.open(made).path / "table.parquet")
    assert table["row"].iloc[0] == row


def test_a_kept_cluster_is_renamed_everywhere(page, copied):
    page.session_state["clusters:tab"] = "Clusters"
    fine(page.selectbox(key="clusters:cluster").set_value(5).run())
    fine(page.text_input(key=f"name:{copied.clusters}:5").set_value("my *best* rows").run())
    assert "my *best* rows" in words(page)
    assert page.dataframe[0].value.query("cluster == 5")["keywords"].tolist() == ["my *best* rows"]


def test_a_view_is_a_link(page, visit, copied):
    lasso(page, *everything(copied))
    page.selectbox(key="clusters:colour").set_value("Source").run()
    page.multiselect(key="clusters:filters").set_value(["Source"]).run()
    page.multiselect(key="clusters:filter:Source").set_value(["add"]).run()
    fine(page.text_input(key="clusters:search").set_value("sum").run())
    sentence = next(m.value for m in page.markdown if "rows in the area" in m.value)
    link = {k: v[0] if isinstance(v, list) else v for k, v in page.query_params.items()}
    assert link["colour"] == "Source"
    other = fine(visit(copied.root, "clusters", **link))
    assert other.selectbox(key="clusters:colour").value == "Source"
    assert sentence in [m.value for m in other.markdown]
    broken = visit(copied.root, "clusters", **{**link, "sel": "0" * 16})
    assert not broken.exception
    assert "cannot be opened" in words(broken)
    view = shared_views.load(copied.workspace, link["sel"])
    drawn = layout.Settings(trajectories=copied.trajectories, method="pca")
    earlier = "layout:" + layout.run(copied.workspace, drawn)  # islands where UMAP put them
    for map in ("islands:20200101-000000000-aaaa", earlier):
        view["area"]["map"] = map
        gone = shared_views.save(copied.workspace, view)
        other = fine(visit(copied.root, "clusters", **{**link, "sel": gone}))
        assert "The map on which this area was drawn is not there" in words(other)
        assert "rows in the area" not in words(other)


def test_a_finding_is_read_and_excluded_in_one_click(page, copied):
    page.session_state["clusters:tab"] = "Health"
    fine(page.run())
    assert "Truncated" in words(page)
    fine(next(b for b in page.button if b.key == "exclude:truncated").click().run())
    found = edits.read(copied.workspace, copied.dataset).excluded
    assert data.flags(copied.trajectories)["truncated"].to_numpy()[found].all()
    assert len(found) > 0
    assert "all excluded" in words(page)


def test_the_data_map_reads_the_rows_drawn_on_it(page, copied):
    fine(page.button_group(key="clusters:view").set_value("Data map").run())
    xy = data.cartography(copied.trajectories)
    low, high = float(np.nanmin(xy[:, 0])) - 1, float(np.nanmedian(xy[:, 0])) + 1e-6
    fine(lasso(page, [low, high, high, low], [0.0, 0.0, 1.0, 1.0], "cartography"))
    inside = (xy[:, 0] >= low) & (xy[:, 0] <= high)
    inside &= preview.kept(copied.clusters).labels >= 0
    assert f"{int(inside.sum())} rows in the area" in words(page)
    fine(page.button_group(key="clusters:view").set_value("Trajectories").run())
    assert f"{int(inside.sum())} rows in the area" in words(page)
