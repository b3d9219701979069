"""The bars of the selection page: chosen by a click or a box, moved by hand."""

import re

import numpy as np
import pandas as pd
import pytest
from streamlit.typing import PlotlyState

from core import edits, selection
from dashboard.charts import selection as selection_charts
from dashboard.clusters import preview as data
from dashboard.selection import before_after, preview
from tests.pages.conftest import fine, has_button, press, unescaped, words


@pytest.fixture(autouse=True)
def forget():
    """Copies of one workspace have the same ids, but logs of edits of their own."""
    for cached in (
        preview._prepared,
        preview.allocation,
        before_after.frame,
        before_after.compared,
    ):
        cached.clear()


@pytest.fixture
def page(visit, copied):
    return fine(visit(copied.root, "selection", clusters=copied.clusters))


@pytest.fixture
def table(page, copied):
    """Return cluster, size, taken in the order of the bars."""
    made = preview.allocation(selection.Settings(parent=copied.clusters, edits=0))
    return selection_charts.largest_first(made.clusters)


def gesture(at, copied, clusters, level=None):
    """Choose bars, as the browser reports it; AppTest cannot click."""
    found = {"points": [{"x": 0, "y": 1}], "point_indices": [0], "box": [], "lasso": []}
    at.session_state["selection:bars"] = PlotlyState({"selection": found})
    # what the callback keeps
    kept = {"of": copied.clusters, "clusters": tuple(map(int, clusters)), "level": level}
    at.session_state["selection:bar"] = kept
    return at.run()


def slider(at, cluster):
    return at.slider(key=f"selection:rows:{cluster}")


def quotas(at):
    return at.text_input(key="selection:quotas").value


def taken(copied, quotas, **how):
    made = preview.allocation(
        selection.Settings(parent=copied.clusters, quotas=quotas, edits=0, **how)
    )
    return made.clusters.set_index("cluster")["taken"]


def test_where_nothing_acts_the_quota_is_what_is_taken(page, copied):
    for how in ({}, {"budget": "40%"}, {"allocation": "sqrt"}, {"allocation": "proportional"}):
        made = preview.allocation(
            selection.Settings(parent=copied.clusters, edits=0, **how)
        ).clusters
        assert (made["quota"] == made["taken"]).all()
    set_to = preview.allocation(selection.Settings(parent=copied.clusters, edits=0, quotas="0=0"))
    assert (set_to.clusters["quota"] != set_to.clusters["taken"]).any()
    capped = selection.Settings(parent=copied.clusters, edits=0, budget="20%", allocation="capped")
    assert preview.allocation(capped).clusters["quota"].sum() == 27


def test_a_click_names_the_cluster_and_the_slider_moves_its_bar(page, copied, table):
    cluster, size, now = table.loc[0, ["cluster", "size", "taken"]]
    assert not [s for s in page.slider if s.key.startswith("selection:rows")]
    fine(gesture(page, copied, [cluster]))
    assert f"Cluster {cluster}** (" in words(page)
    assert f"taken {now} of {size}" in words(page)
    bar = slider(page, cluster)
    assert (bar.min, bar.max, bar.value) == (0, size, now)
    fine(bar.set_value(now + 4).run())
    assert quotas(page) == f"{cluster}={now + 4}"
    assert slider(page, cluster).value == now + 4
    assert f"taken {now + 4} of {size}, set by hand" in words(page)
    assert f"Cluster {cluster}: +4 rows, the others \N{MINUS SIGN}4." in words(page)
    assert "11% quotas 5=7" in words(page)
    before = {e.id for e in copied.workspace.entries("selection")}
    fine(press(page, "Save this selection"))
    (id,) = {e.id for e in copied.workspace.entries("selection")} - before
    saved = copied.workspace.open(id)
    assert saved.config["quotas"] == f"{cluster}={now + 4}"
    chosen = pd.read_parquet(saved.path / "table.parquet")["cluster"]
    assert (chosen == cluster).sum() == now + 4


def test_a_moved_slider_is_not_sent_back_over_the_next_key_press(page, copied, table):
    one = table.loc[0, "cluster"]
    gesture(page, copied, [one])
    assert slider(page, one).proto.set_value, "a chosen bar begins at what is taken"
    fine(slider(page, one).set_value(slider(page, one).value + 1).run())
    assert not slider(page, one).proto.set_value
    fine(press(page, "Reset this one"))
    assert slider(page, one).proto.set_value


def test_lock_cap_leave_out_and_reset(page, copied, table):
    one, other = (int(c) for c in table["cluster"][:2])
    now = int(table["taken"][0])
    gesture(page, copied, [one])
    fine(press(page, f"Lock at {now}"))
    assert quotas(page) == f"{one}={now}"
    fine(page.slider(key="selection:share").set_value(40).run())
    assert slider(page, one).value == now, "locked, whatever the budget"
    fine(press(page, f"Cap at {now}"))
    assert quotas(page) == f"{one}<={now}"
    assert f"at most {now} by hand" in words(page)
    fine(press(page, "Leave out"))
    assert quotas(page) == f"{one}=0"
    assert "taken 0 of" in words(page)
    fine(gesture(page, copied, [other]))
    fine(press(page, "Leave out"))
    assert quotas(page) == ",".join(f"{c}=0" for c in sorted((one, other)))
    fine(press(page, "Reset this one"))
    assert quotas(page) == f"{one}=0"
    fine(press(page, "Reset all"))
    assert quotas(page) == ""
    assert not has_button(page, "Reset")


def test_more_than_the_budget_says_why_and_is_undone(page, copied, table):
    one, size = (int(v) for v in table.loc[0, ["cluster", "size"]])
    gesture(page, copied, [one])
    fine(slider(page, one).set_value(5).run())
    at = slider(page, one).set_value(size).run()
    assert not at.exception
    (problem,) = at.error
    assert f"set by hand are {size} rows, more than the budget of 15" in unescaped(problem.value)
    assert "with the last quotas that worked" in problem.value
    assert slider(at, one).value == size, "it can be moved back as well"
    assert not has_button(at, "Save this selection")
    assert "Before and after" in [t.label for t in at.tabs]
    fine(press(at, "Undo"))
    assert quotas(at) == f"{one}=5"
    assert has_button(at, "Save this selection")
    slider(at, one).set_value(size).run()
    fine(press(at, "Reset all"))
    assert quotas(at) == ""


def test_a_budget_below_what_is_set_by_hand_is_no_dead_page(page, copied, table):
    one = int(table["cluster"][0])
    fine(page.text_input(key="selection:quotas").set_value(f"{one}=9").run())
    at = page.slider(key="selection:share").set_value(2).run()
    assert not at.exception
    assert "Shown without quotas" in at.error[0].value
    fine(press(at, "Reset all"))
    assert quotas(at) == ""


def test_a_box_sets_or_caps_the_bars_under_it(page, copied, table):
    under = [int(c) for c in table["cluster"][-3:]]
    sizes = table["size"][-3:].tolist()
    page.slider(key="selection:share").set_value(60).run()
    fine(gesture(page, copied, under, level=6))
    assert "3 clusters** under the box" in words(page)
    fine(press(page, "Cap these 3 at 6"))
    assert quotas(page) == ",".join(f"{c}<=6" for c in sorted(under))
    assert (taken(copied, quotas(page), budget="60%")[under] == np.minimum(sizes, 6)).all()
    fine(press(page, "Set these 3 to 6"))
    rows = dict(zip(under, np.minimum(sizes, 6), strict=True))
    assert quotas(page) == ",".join(f"{c}={rows[c]}" for c in sorted(under))
    assert (taken(copied, quotas(page), budget="60%")[under] == np.minimum(sizes, 6)).all()
    assert re.search(r"3 clusters: .\d+ rows, the others|Since the last change", words(page))
    fine(press(page, "Reset these 3"))
    assert quotas(page) == ""


def test_the_rows_of_the_moved_bar_are_read_first(page, copied, table):
    one, now = (int(v) for v in table.loc[0, ["cluster", "taken"]])
    gesture(page, copied, [one])
    slider(page, one).set_value(now + 3).run()
    fine(page.button_group(key="selection:changes").set_value("came in").run())
    labels = data.kept(copied.clusters).labels
    rows = [int(r) for r in re.findall(r"^row ([\d,]+)", words(page), re.MULTILINE)]
    assert [labels[r] for r in rows[:3]] == [one] * 3


def test_other_strategies_read_the_rows_that_are_taken(page, copied, table):
    one = int(table["cluster"][0])
    page.selectbox(key="selection:strategy").set_value("random").run()
    fine(gesture(page, copied, [one]))
    made = preview.allocation(
        selection.Settings(parent=copied.clusters, strategy="random", edits=0)
    )
    labels = data.kept(copied.clusters).labels
    rows = [int(r) for r in re.findall(r"^row ([\d,]+)", words(page), re.MULTILINE)]
    assert rows == [r for r in made.chosen.tolist() if labels[r] == one]
    assert rows
    assert not [s for s in page.slider if s.key.startswith("selection:rows")]
    assert not has_button(page, "Lock at")


def test_a_budget_in_tokens_has_no_quotas_and_a_way_back(page, copied, table):
    one = int(table["cluster"][0])
    gesture(page, copied, [one])
    fine(press(page, "Leave out"))
    at = page.button_group(key="selection:unit").set_value("Tokens").run()
    assert not at.exception
    assert at.error
    fine(press(at, "Reset all"))
    assert "Quotas by hand are rows" in words(at)
    assert not [s for s in at.slider if s.key.startswith("selection:rows")]


def test_a_chosen_bar_is_of_its_clustering_and_outlives_an_exclusion(page, copied, table):
    one = int(table["cluster"][0])
    fine(gesture(page, copied, [one]))
    rows = np.flatnonzero(data.kept(copied.clusters).labels == one)
    edits.exclude(copied.workspace, copied.dataset, rows.tolist())
    fine(page.run())
    assert f"Cluster {one}** (" not in words(page), "it has no rows to draw from"
    page.session_state["selection:bar"] = {"of": "another", "clusters": (0,), "level": None}
    fine(page.run())
    assert "Cluster 0** (" not in words(page)


def test_close_puts_the_panel_away(page, copied, table):
    gesture(page, copied, [int(table["cluster"][0])])
    fine(press(page, "Close"))
    assert not has_button(page, "Close")


def test_training_tokens_follow_the_steps(page):
    facts = {m.label: m.value for m in page.metric}
    tokens = int(facts["Response tokens"].split(" ")[0].replace(",", ""))
    assert facts["Steps"] == "200"
    shown = int(facts["Training tokens"].replace(",", ""))
    assert shown == 200 * tokens, "12 rows are one batch: every step sees them all"
