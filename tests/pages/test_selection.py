import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from core import clusters, dataset, edits, export, finetune, selection, trajectories
from core.selection import target_queries
from core.selection.strategies.catalog import STRATEGIES
from dashboard.escape import plain
from dashboard.frame import data
from dashboard.selection import before_after, preview, stability
from tests.conftest import NAME, write
from tests.core.pools import write_queries
from tests.pages.conftest import fine, go, has_button, press, words


@pytest.fixture(autouse=True)
def forget():
    """Copies of one workspace have the same ids, but logs of edits of their own."""
    kept = (before_after.frame, before_after.compared, stability.stabilities)
    for cached in (preview._prepared, preview.allocation, *kept):
        cached.clear()


@pytest.fixture
def page(visit, copied):
    return fine(visit(copied.root, "selection", clusters=copied.clusters))


def rows(at):
    return next(m.value for m in at.metric if m.label == "Rows")


def test_without_clusters_it_says_what_to_do(visit, bare):
    at = fine(visit(bare.root, "selection"))
    assert has_button(at, "Import a dataset")


def test_it_names_its_inputs(page):
    assert f"dataset: {NAME}" in words(page)
    assert "clusters: " in words(page)


def test_the_budget_changes_every_count(page):
    assert rows(page) == "15 of 139"
    fine(page.slider(key="selection:share").set_value(50).run())
    assert rows(page) == "69 of 139"
    page.button_group(key="selection:unit").set_value("Rows").run()
    fine(page.number_input(key="selection:rows").set_value(17).run())
    assert rows(page) == "17 of 139"
    page.button_group(key="selection:unit").set_value("Tokens").run()
    fine(page.number_input(key="selection:tokens").set_value(100).run())
    tokens = next(m.value for m in page.metric if m.label == "Response tokens")
    assert 0 < int(tokens.split(" ")[0]) <= 100


def test_saving_twice_makes_one_with_exactly_these_rows(page, visit, copied):
    before = {e.id for e in copied.workspace.entries("selection")}
    other = visit(copied.root, "selection", clusters=copied.clusters)
    for at in (page, other):
        at.slider(key="selection:share").set_value(30).run()
    for at in (page, other):
        fine(press(at, "Save this selection"))
        assert "Saved as" in words(at)
    (made,) = {e.id for e in copied.workspace.entries("selection")} - before
    artifact = copied.workspace.open(made, "selection")
    table = pd.read_parquet(artifact.path / "table.parquet")
    assert len(table) == 41 == table["row"].nunique()
    assert page.query_params["selection"] == made
    lines = list(export.jsonl_lines(artifact))
    assert len(lines) == 41
    assert {"question", "answer", "task", "part", "extra"} == set(json.loads(lines[0]))


def test_a_link_to_a_selection_starts_the_fine_tune_of_it(visit, copied):
    at = fine(visit(copied.root, "selection", selection=copied.selection))
    assert at.query_params["clusters"] == copied.clusters
    assert at.slider(key="selection:share").value == 25
    fine(press(at, "Fine-tune a target on it"))
    assert at.header[0].value == "Fine-tune"
    assert at.query_params["selection"] == copied.selection


@pytest.mark.parametrize(
    ("budget", "shown"),
    [("7.5%", "10 of 139"), ("17", "17 of 139"), ("40 tokens", " of 139"), ("60%", "83 of 139")],
)
def test_a_link_shows_the_selection_as_it_was_made_and_leaves_changes_alone(
    visit, copied, budget, shown
):
    how = {"strategy": "random", "seed": 3, "budget": budget}
    made = selection.run(copied.workspace, selection.Settings(parent=copied.clusters, **how))
    at = fine(visit(copied.root, "selection", selection=made))
    assert at.selectbox(key="selection:strategy").value == "random"
    assert at.number_input(key="selection:seed").value == 3
    assert rows(at).endswith(shown)
    assert int(rows(at).split(" ")[0]) == copied.workspace.open(made).summary["rows"]
    fine(at.number_input(key="selection:seed").set_value(4).run())
    assert at.number_input(key="selection:seed").value == 4


@pytest.mark.parametrize("strategy", ["random", "full", "least_confidence", "s2l_per_source"])
def test_other_strategies_draw_too(page, strategy):
    fine(page.selectbox(key="selection:strategy").set_value(strategy).run())
    assert rows(page) == ("139 of 139" if strategy == "full" else "15 of 139")


def test_settings_survive_a_visit_to_another_page(page):
    page.slider(key="selection:share").set_value(42).run()
    page.selectbox(key="selection:strategy").set_value("random").run()
    go(page, "dataset")
    fine(go(page, "selection"))
    assert page.slider(key="selection:share").value == 42
    assert page.selectbox(key="selection:strategy").value == "random"


def pool_rows(copied):
    made = selection.Settings(parent=copied.clusters, strategy="full", edits=0)
    made = copied.workspace.open(selection.run(copied.workspace, made))
    return pd.read_parquet(made.path / "table.parquet")["row"].tolist()


def test_excluded_and_pinned_rows_are_said_and_honoured(page, copied):
    pool = pool_rows(copied)
    assert "rows excluded" not in words(page)
    edits.exclude(copied.workspace, copied.dataset, pool[:20])
    edits.pin(copied.workspace, copied.dataset, pool[50:53])
    fine(page.run())
    assert "20 rows excluded; 3 rows pinned" in words(page)
    assert rows(page) == "13 of 119"
    fine(press(page, "Save this selection"))
    made = copied.workspace.open(page.query_params["selection"], "selection")
    assert made.config["edits"] == 2
    chosen = pd.read_parquet(made.path / "table.parquet")["row"].tolist()
    assert set(pool[50:53]) < set(chosen) <= set(pool[20:])
    assert "Saved as" in words(page)
    edits.name(copied.workspace, copied.dataset, copied.clusters, 0, "a name")
    assert "Saved as" in words(fine(page.run())), "a name changes no selection"


def test_a_budget_smaller_than_the_pins_says_what_to_do(page, copied):
    edits.pin(copied.workspace, copied.dataset, pool_rows(copied)[:18])
    page.run()
    assert "is 15 rows, less than the 18 pinned; raise it or unpin some" in words(page)
    assert not page.exception
    fine(page.slider(key="selection:share").set_value(20).run())
    assert rows(page) == "27 of 139"


def test_a_saved_selection_is_shown_with_its_own_edits_until_told_otherwise(visit, copied):
    edits.exclude(copied.workspace, copied.dataset, pool_rows(copied)[:20])
    at = fine(visit(copied.root, "selection", selection=copied.selection))
    assert "rows were excluded or pinned since" in words(at)
    assert rows(at) == "34 of 139"
    assert "Saved as" in words(at)
    fine(press(at, "Use the edits of now"))
    assert rows(at) == "29 of 119"
    assert "20 rows excluded" in words(at)
    assert "Saved as" not in words(at)
    assert not has_button(at, "Use the edits of now")
    edits.undo(copied.workspace, copied.dataset)
    fine(at.run())
    assert rows(at) == "34 of 139"
    assert "Saved as" in words(at), "as before the edit"


@pytest.mark.parametrize("unit", ["Rows", "Tokens"])
def test_a_budget_outlives_a_pool_that_shrinks(page, copied, unit):
    key = f"selection:{unit.lower()}"
    page.button_group(key="selection:unit").set_value(unit).run()
    fine(page.number_input(key=key).set_value(50).run())
    edits.exclude(copied.workspace, copied.dataset, pool_rows(copied)[:20])
    fine(page.run())
    assert page.number_input(key=key).value == 50
    box = page.number_input(key=key)
    fine(box.set_value(box.max).run())
    assert rows(page) == "119 of 119"
    edits.exclude(copied.workspace, copied.dataset, pool_rows(copied)[20:25])
    fine(page.run())
    assert rows(page).endswith(" of 114"), "above the pool: the field's own default again"


def test_the_command_line_names_the_edits(page, copied):
    edits.exclude(copied.workspace, copied.dataset, pool_rows(copied)[:20])
    assert "--edits 1" in words(fine(page.run()))


TABS = {
    "Before and after": "random draws of its size",
    "Read the selection": "row ",
    "Compare": "rows in both",
    "Stability": "Would another seed, K, feature",
    "Why a row": "rows were selected",
    "Cost": "In operations, proxy and recordings cost",
}


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_opens(page, tab):
    page.session_state["selection:tab"] = tab
    fine(page.run())
    assert TABS[tab] in words(page)


def test_a_pinned_row_in_no_cluster_is_in_and_breaks_no_tab(visit, copied):
    row = pool_rows(copied)[7]
    edits.exclude(copied.workspace, copied.dataset, [row])
    wanted = clusters.Settings(trajectories=copied.trajectories, k=5, map=False, without=1)
    groups = clusters.run(copied.workspace, wanted)
    edits.include(copied.workspace, copied.dataset, [row])
    edits.pin(copied.workspace, copied.dataset, [row])
    for seed in (0, 1):
        selection.run(copied.workspace, selection.Settings(parent=groups, budget="30%", seed=seed))
    at = fine(visit(copied.root, "selection", clusters=groups))
    assert "1 row pinned, 1 of them without a loss or a cluster" in words(at)
    assert rows(at) == "15 of 139"
    at.session_state["selection:why"] = f"{row}"
    for tab in TABS:
        at.session_state["selection:tab"] = tab
        fine(at.run())
        assert not at.warning
        if tab == "Stability":
            fine(press(at, "See how stable it is"))
        if tab == "Why a row":
            assert "Selected: pinned." in words(at)
            assert "It stays from a budget of 1 rows" in words(at)


def test_two_saved_selections_are_compared_differences_first(page, copied):
    other = selection.Settings(parent=copied.clusters, budget="40%", seed=3, name="wide")
    made = selection.run(copied.workspace, other)
    page.session_state["selection:tab"] = "Compare"
    page.session_state["selection:compare"] = [copied.selection, made]
    fine(page.run())
    assert "rows in both" in words(page)
    assert "Settings that differ" in words(page)


def test_a_row_says_why_it_is_in_or_not(page, copied):
    page.session_state["selection:tab"] = "Why a row"
    flags = data.flags(copied.trajectories)
    row = int(np.flatnonzero(flags["flag"] == "")[0])
    fine(page.run())
    fine(page.text_input(key="selection:why").set_value(str(row)).run())
    assert "rows were selected" in words(page)
    assert "same seed" in words(page)
    held = int(np.flatnonzero(flags["flag"] == "holdout")[0])
    at = page.text_input(key="selection:why").set_value(str(held)).run()
    assert not at.exception
    assert "held out for testing" in words(at)


def test_a_saved_selection_is_written_with_its_card(visit, copied):
    at = fine(visit(copied.root, "selection", selection=copied.selection))
    fine(at.selectbox(key="export:format").set_value("messages").run())
    fine(at.selectbox(key="export:config:messages").set_value("trl").run())
    fine(press(at, "Write the folder"))
    (place,) = (copied.root / "exports").iterdir()
    assert {"README.md", "train.py", "export.json"} <= {p.name for p in place.iterdir()}
    assert str(place) in words(at)


def test_the_panel_says_what_stands_in_the_way_and_the_hash(visit, copied):
    at = fine(visit(copied.root, "selection", selection=copied.selection))
    assert copied.workspace.open(copied.selection).summary["ids_sha256"][:12] in words(at)
    (copied.root / "exports").write_text("a file")
    at = press(at, "Write the folder")
    assert not at.exception
    assert "exports cannot be made: File exists; export with another “Out”" in words(at)
    (copied.root / "exports").unlink()
    place = copied.root / "exports" / f"{copied.selection}-jsonl"
    place.mkdir(parents=True)
    (place / "thesis.txt").write_text("mine")
    at = press(at, "Write the folder")
    assert "is no earlier export; choose another “Out”" in words(at)
    assert (place / "thesis.txt").read_text() == "mine"


def test_what_cannot_be_chosen_says_what_to_do(page, copied):
    page.button_group(key="selection:unit").set_value("Tokens").run()
    at = page.number_input(key="selection:tokens").set_value(1).run()
    assert "is below the shortest choice" in words(at)
    assert "raise it" in words(at)
    none = ",".join(f"{c}=0" for c in range(6))
    page.button_group(key="selection:unit").set_value("Share").run()
    at = page.text_input(key="selection:quotas").set_value(none).run()
    assert "leave room for 0 rows" in words(at)
    page.text_input(key="selection:quotas").set_value("").run()
    for unit in ("Share", "Rows", "Tokens"):
        page.button_group(key="selection:unit").set_value(unit).run()
        edits.exclude(copied.workspace, copied.dataset, range(copied.rows))
        at = page.run()
        assert not at.exception, unit
        assert "no row can be selected" in words(at)
        edits.undo(copied.workspace, copied.dataset)
        page.run()


def test_sources_that_the_data_does_not_name(visit, bare, tmp_path):
    rows = [{"question": f"{i}?", "answer": f"{i}"} for i in range(40)]
    file = write(tmp_path / "bare.jsonl", rows)
    made = dataset.run(bare, dataset.Settings(path=str(file)))
    proxy = {"model": "scratch:tiny", "epochs": 1.0, "checkpoints": 3, "map": False}
    paths = trajectories.run(bare, trajectories.Settings(dataset=made, **proxy))
    groups = clusters.run(bare, clusters.Settings(trajectories=paths, k=3, map=False))
    at = fine(visit(bare.root, "selection", clusters=groups))
    for strategy in ("random_per_source", "s2l_per_source"):
        at.selectbox(key="selection:strategy").set_value(strategy).run()
        assert not at.exception
        assert "names no sources" in words(at)
        assert "take random or s2l" in words(at)


def test_a_switch_and_a_quota_by_hand_are_saved_and_shown_again(page, visit, copied):
    page.selectbox(key="selection:allocation").set_value("sqrt").run()
    page.text_input(key="selection:quotas").set_value("5=9,4<=2").run()
    fine(page)
    assert "sqrt quotas 4<=2,5=9" in words(page)
    page.session_state["selection:tab"] = "Quotas"
    fine(page.run())
    before = {e.id for e in copied.workspace.entries("selection")}
    fine(press(page, "Save this selection"))
    (id,) = {e.id for e in copied.workspace.entries("selection")} - before
    saved = copied.workspace.open(id)
    taken = pd.read_parquet(saved.path / "table.parquet")["cluster"].value_counts()
    assert taken[5] == 9
    assert taken.get(4, 0) <= 2
    assert saved.config["quotas"] == "5=9,4<=2"
    again = fine(visit(copied.root, "selection", selection=id))
    assert again.selectbox(key="selection:allocation").value == "sqrt"
    assert again.text_input(key="selection:quotas").value == "5=9,4<=2"
    assert "Saved as" in words(again)


def test_a_quota_that_cannot_be_met_says_why(page):
    at = page.text_input(key="selection:quotas").set_value("99=3").run()
    assert not at.exception
    assert at.error


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_shows_what_the_engine_selects(
    page, copied, strategy, tmp_path, monkeypatch
):
    monkeypatch.setenv("S2L_DATA", str(tmp_path))
    how = {"parent": copied.clusters, "strategy": strategy, "seed": 3}
    page.number_input(key="selection:seed").set_value(3)
    page.selectbox(key="selection:strategy").set_value(strategy).run()
    if STRATEGIES[strategy].size == "matched":
        how["match"] = page.selectbox(key="selection:match").value
    if STRATEGIES[strategy].cost:
        assert "needs the target's size" in words(page)
        fine(page.text_input(key="selection:target_parameters").set_value("1e9").run())
        how["target_parameters"] = 1e9
    if STRATEGIES[strategy].scores:
        assert "Give the scores" in words(fine(page))
        ids = selection.load_pool(copied.workspace.open(copied.dataset), "random").ids
        how["scores"] = str(tmp_path / "scores.csv")
        pd.DataFrame({"id": ids, "score": range(len(ids))}).to_csv(how["scores"], index=False)
        page.run()  # lists what is there now
        fine(page.selectbox(key="selection:scores").set_value("scores.csv").run())
    if STRATEGIES[strategy].queries:
        assert "Give examples" in words(fine(page))
        trajectories = copied.workspace.open(copied.trajectories)
        id = target_queries.dataset_of(trajectories, write_queries(tmp_path))
        page.run()  # lists what is there now
        at = fine(page.selectbox(key="selection:queries").set_value(id).run())
        assert "Read the examples" in [b.label for b in at.button]
        target_queries.load(trajectories, target_queries.TargetQueries(queries=id))
        how["queries"] = id
        assert id not in selection.title(selection.Settings(**how), trajectories)
        page.run()
    settings = selection.Settings(**how)
    assert selection.title(settings, copied.workspace.open(copied.dataset)) in words(fine(page))
    assert STRATEGIES[strategy].sentence in words(page)
    assert "Saved as" not in words(page)
    made = copied.workspace.open(selection.run(copied.workspace, settings))
    assert rows(page) == f"{made.summary['rows']} of 139"
    tokens = f"{made.summary['response_tokens']:,} of {made.summary['pool_response_tokens']:,}"
    assert facts(page)["Response tokens"] == tokens
    assert f"Saved as {made.name}" in words(fine(page.run())), "the same one"


def test_what_comes_in_and_goes_out_is_said_and_read(page):
    fine(page.number_input(key="selection:seed").set_value(7).run())
    assert re.search(r"Since the last change \d+ rows came in and \d+ went out", words(page))
    fine(page.button_group(key="selection:changes").set_value("went out").run())
    fine(page.run())
    assert "Since the last change" in words(page)


def test_why_begins_with_a_selected_row_and_another_is_a_press_away(page):
    page.session_state["selection:tab"] = "Why a row"
    assert "Selected: " in words(fine(page.run()))
    assert "Not selected." in words(fine(press(page, "One left out")))
    assert "Selected: " in words(fine(press(page, "One that is in")))
    at = fine(page.text_input(key="selection:why").set_value("no-such-id").run())
    assert "No row has the number or id no-such-id" in words(at)


def test_a_lone_selection_gets_a_random_draw_to_be_compared_with(visit, copied):
    for kind in ("study", "finetune", "selection"):
        for entry in copied.workspace.entries(kind):
            if entry.id != copied.selection:
                copied.workspace.delete(entry.id)
    at = visit(copied.root, "selection", clusters=copied.clusters)
    at.session_state["selection:tab"] = "Compare"
    fine(at.run())
    fine(press(at, "Save a random draw of its size"))
    assert "rows in both" in words(at)
    sizes = [e.summary["rows"] for e in copied.workspace.entries("selection")]
    assert sizes == [sizes[0]] * 2


def test_cost_has_measured_seconds_with_and_without_a_fine_tune(page, copied):
    page.session_state["selection:tab"] = "Cost"
    assert "As measured with a target of" in words(fine(page.run()))
    for kind in ("study", "finetune"):
        shutil.rmtree(copied.workspace.root / kind)
    assert "Measured so far: training the proxy" in words(fine(page.run()))


def test_stability_is_one_number_and_a_picture(page):
    page.session_state["selection:tab"] = "Stability"
    fine(page.run())
    assert "where a plain random draw has" not in words(page), "it takes long, so it waits"
    charts = len(page.get("plotly_chart"))
    fine(press(page, "See how stable it is"))
    assert re.search(r"Stability -?0\.\d\d of 1 beyond chance: rows' chances", words(page))
    assert len(page.get("plotly_chart")) == charts + 1


def facts(at):
    return {m.label: m.value for m in at.metric}


def test_steps_are_those_of_the_fine_tune_that_the_page_starts(page, copied, visit, monkeypatch):
    monkeypatch.setattr("core.finetune.settings.MIN_STEPS", 2)  # 139 rows are 5 batches of 32
    page.slider(key="selection:share").set_value(100).run()
    assert facts(page)["Steps"] == "30", "scratch:small is the default: 6 epochs"
    tip = next(m.help for m in page.metric if m.label == "Steps")
    assert plain("scratch:small") in tip
    assert "6 epochs in batches of 32" in tip
    go(page, "finetune")
    page.query_params["selection"] = copied.selection
    page.run()
    page.selectbox(key="finetune:model").set_value("scratch:tiny")
    page.text_input(key="finetune:epochs").set_value("1.5")
    page.number_input(key="finetune:batch_size").set_value(16)
    fine(page.run())
    fine(go(page, "selection"))
    assert facts(page)["Rows"] == "139 of 139"
    assert facts(page)["Steps"] == "14", "1.5 epochs of 9 batches"
    tokens = int(facts(page)["Response tokens"].split(" ")[0].replace(",", ""))
    assert facts(page)["Training tokens"] == f"{round(14 / 9 * tokens):,}", "of 14 batches"
    assert "1.556 epochs in batches of 16" in next(
        m.help for m in page.metric if m.label == "Steps"
    )
    made = selection.run(
        copied.workspace, selection.Settings(parent=copied.clusters, budget="100%")
    )
    how = {"model": "scratch:tiny", "epochs": 1.5, "batch_size": 16, "max_length": 64, "decode": 0}
    tuned = finetune.run(copied.workspace, finetune.Settings(selection=made, **how))
    summary = copied.workspace.open(tuned).summary
    assert (summary["steps"], summary["epochs"]) == (14, 1.56)


def test_the_random_draws_said_are_those_made(page, monkeypatch):
    monkeypatch.setattr(before_after, "DRAWS", 5)
    page.session_state["selection:tab"] = "Before and after"
    fine(page.run())
    assert "5 random draws of the same size" in words(page)
