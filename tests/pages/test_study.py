import pytest

from core import clusters, jobs, selection, study
from core.study import artifact as kept
from dashboard.study import tabs
from tests.conftest import NAME
from tests.pages.conftest import button, fine, flags, go, has_button, press, unescaped, words


@pytest.fixture
def page(visit, copied):
    return fine(visit(copied.root, "study", study=copied.study))


def test_without_clusters_it_says_what_to_do(visit, bare):
    at = fine(visit(bare.root, "study"))
    assert has_button(at, "Import a dataset")
    assert has_button(at, "Run the demo")


def test_it_names_its_inputs_and_shows_every_arm(page):
    assert f"clusters: {NAME}" in words(page)
    assert "3 arms × 1 seed" in words(page)
    assert list(runs(page)["arm"]) == ["untuned base", "s2l", "random", "full"]


def test_one_draw_is_called_a_walk_through_whoever_wins(page, copied):
    for measure in chips(page, "Measure").options:
        fine(chips(page, "Measure").set_value(measure).run())
        text = words(page)
        assert "a walk-through, not evidence" in text, measure
        assert "The selection needs" in text, measure
    assert "two shares of so many items differ by up to" in text or measure != "exact_match"


def runs(at):
    return next(d.value for d in at.dataframe if "rows" in d.value)


def chips(at, label):
    (found,) = [b for b in at.button_group if b.label == label]
    return found


def typed(box, value):
    """Give a list what is not in it yet, as a person who types does."""
    box.options.extend([value] if isinstance(value, str) else value)
    box.set_value(value).run()


def test_bad_settings_show_one_sentence(page):
    typed(page.selectbox(key="study:budget"), "200%")
    (shown,) = page.error
    assert "200%" in unescaped(shown.value)
    assert not page.exception
    page.selectbox(key="study:budget").set_value("11%").run()
    chips(page, "Arms").set_value([]).run()
    (shown,) = page.error
    assert "Choose at least one arm" in shown.value
    chips(page, "Arms").set_value(["s2l"]).run()
    chips(page, "More").set_value(["random_cost_matched"]).run()
    (shown,) = page.error
    assert "the arms of this study have equal steps" in unescaped(shown.value)
    fine(page.selectbox(key="study:equal").set_value("epochs").run())
    assert "6 fine-tunes" in words(page)
    assert "As many random rows as another selection" in words(page), "its sentence"


def test_it_starts_what_the_command_line_would_start_and_stops(page, copied, busy):
    busy(copied.workspace)
    page.multiselect(key="study:seeds").set_value(["0", "1"]).run()
    fine(press(page, "Start study"))
    (job,) = jobs.jobs(copied.workspace)
    assert flags(job) == ["study", "--clusters", copied.clusters, "--seeds", "0,1"]
    assert button(page, "Start study").disabled
    fine(press(page, "Stop"))
    assert jobs.wait(copied.workspace, job.id, 20).state == "stopped"
    page.run()
    assert "Stopped" in words(page)
    assert has_button(page, "Resume")


def test_settings_survive_a_visit_to_another_page(page):
    page.multiselect(key="study:seeds").set_value(["3", "4"]).run()
    go(page, "dataset")
    fine(go(page, "study"))
    assert page.multiselect(key="study:seeds").value == ["3", "4"]


def picker(at):
    (found,) = [m for m in at.multiselect if m.label == "Saved selections as arms"]
    return found


def save(copied, **how):
    wanted = {"parent": copied.clusters, "budget": "25%", **how}
    return selection.run(copied.workspace, selection.Settings(**wanted))


def test_saved_selections_are_chosen_as_arms(visit, copied, busy):
    busy(copied.workspace)
    hard = save(copied, pick="hardest", name="mine")
    save(copied, pick="hardest", seed=3)
    page = fine(visit(copied.root, "study", study=copied.study))
    assert picker(page).value == []
    assert len([o for o in picker(page).options if "hardest" in o or o == "mine"]) == 1
    fine(picker(page).set_value([hard]).run())
    assert "15 fine-tunes" in words(page), "four strategies and one selection, three seeds"
    fine(press(page, "Start study"))
    (job,) = jobs.jobs(copied.workspace)
    assert flags(job) == ["study", "--clusters", copied.clusters, "--selections", hard]
    go(page, "dataset")
    fine(go(page, "study"))
    assert picker(page).value == [hard]


def test_the_address_names_a_selection_until_the_choice_is_changed(visit, copied):
    hard, typical = save(copied, pick="hardest"), save(copied, pick="medoid")
    settings = clusters.Settings(trajectories=copied.trajectories, k=4, map=False)
    newer = clusters.run(copied.workspace, settings)
    page = fine(visit(copied.root, "study", selection=hard))
    assert words(page).count("6 clusters"), "those of the selection, not the newest"
    assert picker(page).value == [hard]
    fine(picker(page).set_value([typical]).run())
    assert picker(page).value == [typical]
    assert "selection" not in page.query_params
    at = fine(visit(copied.root, "study", clusters=newer, selection=typical))
    assert words(at).count("4 clusters"), "to compare with other clusters"
    assert picker(at).value == [typical]
    copied.workspace.delete(typical)
    del at.query_params["selection"]
    fine(at.run())
    assert picker(at).value == []


def test_a_selection_that_cannot_be_an_arm_is_refused_in_a_sentence(visit, copied):
    match = {"match": copied.selection, "target_parameters": 1e7}
    cost = save(copied, strategy="random_cost_matched", **match)
    page = visit(copied.root, "study", clusters=copied.clusters, selection=cost)
    assert not page.exception
    (shown,) = page.error
    assert "cannot be an arm here" in shown.value
    page = visit(copied.root, "study", clusters=copied.clusters, selection="nowhere")
    (shown,) = page.error
    assert "cannot be opened" in shown.value


def test_arms_of_saved_selections_are_shown_with_their_rows_and_called_exploratory(visit, copied):
    hard = save(copied, pick="hardest", budget="12", quotas="5=3")
    settings = study.Settings(
        clusters=copied.clusters,
        strategies="s2l,random",
        seeds="0",
        budget="25%",
        model="scratch:tiny",
        steps=4,
        decode=8,
        selections=hard,
    )
    made = study.run(copied.workspace, settings)
    page = fine(visit(copied.root, "study", study=made))
    name = "s2l 12 hardest quotas 5=3"
    table = runs(page).set_index("arm")
    assert table["rows"][name] == 12
    assert f"Exploratory, as they come from saved selections: {name}." in words(page)
    assert "saved selections: their own" in words(page)
    fine(press(page, "Run 4 more seeds"))
    (job,) = jobs.jobs(copied.workspace)
    asked = flags(job)
    assert hard in asked, "the arm stays"
    assert "0,1,2,3,4" in asked
    assert "s2l,random,random_per_source" in asked


def test_what_exists_is_reused_and_said_before_it_starts(page, copied):
    for key, value in (("budget", "25%"), ("model", "scratch:tiny")):
        typed(page.selectbox(key=f"study:{key}"), value)
    page.text_input(key="study:steps").set_value("4").run()
    page.number_input(key="study:decode").set_value(8).run()
    text = words(page).replace("*", "")
    assert "12 fine-tunes, 9 to train, about" in text
    assert "as those of this target took here" in text
    assert "3 of them exist already and are reused" in text
    (listed,) = [d.value for d in page.dataframe if "exists" in d.value]
    reused = listed[listed["exists"]]
    assert set(zip(reused["arm"], reused["seed"], strict=True)) == {
        ("s2l", 0),
        ("random", 0),
        ("full", 0),
    }
    page.text_input(key="study:steps").set_value("auto").run()
    typed(page.selectbox(key="study:model"), "scratch:small")
    assert "how long is not known before" in words(page)
    before = len(copied.workspace.entries())
    typed(page.selectbox(key="study:model"), "scratch:tiny")
    assert len(copied.workspace.entries()) == before, "looking makes nothing"


def test_every_tab_and_measure_of_a_result(page, copied):
    for tab in tabs.NAMES:
        page.session_state["study:tab"] = tab
        fine(page.run())
    text = words(page)
    assert "Planned comparisons: S2L with random" in text
    page.session_state["study:tab"] = "Clusters"
    fine(page.run())
    shown = next(d.value for d in page.dataframe if "cluster" in d.value)
    assert shown["items"].sum() == 20
    assert {"s2l", "random", "full", "S2L minus random"} < set(shown)
    assert len(page.get("download_button")) == 3, "scores, everything, the report"


def test_a_study_that_is_not_finished_is_read(visit, copied, monkeypatch):
    lines = kept.all_lines(copied.workspace.open(copied.study)).to_dict("records")
    draft = copied.workspace.draft(
        "study",
        name="half",
        config={"clusters": copied.clusters, "budget": "25%"},
        parents={"clusters": copied.clusters},
    )
    kept.begin(draft, 12)
    kept.add_base(draft, copied.workspace.open(copied.study).summary["base"])
    for line in [*lines[:2], {**lines[2], "loss": float("nan"), "failed": "out of *memory*"}]:
        kept.add(draft, line)
    page = fine(visit(copied.root, "study", study=copied.study))
    text = words(page)
    assert "**3 of 12 fine-tunes**, not finished; start it again and what is done is kept" in text
    assert "Failed: full seed 0: out of *memory*" in text
    assert "So far: S2L is" in text
    fine(press(page, "Discard"))
    assert "3 of 12" in words(page), "this test holds its lock, so it is at work"
    draft.lock.close()
    fine(press(page, "Discard"))
    assert "3 of 12" not in words(page)
