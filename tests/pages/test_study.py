import pytest

from core import clusters, jobs, selection, study
from tests.conftest import NAME
from tests.pages.conftest import button, fine, flags, go, has_button, press, unescaped, words


@pytest.fixture
def page(visit, copied):
    return fine(visit(copied.root, "study", study=copied.study))


def test_without_clusters_it_says_what_to_do(visit, bare):
    at = fine(visit(bare.root, "study"))
    assert has_button(at, "See the clusters")


def test_it_names_its_inputs_and_shows_every_arm(page):
    assert f"clusters: {NAME}" in words(page)
    assert "3 arms × 1 seed" in words(page)
    assert list(page.dataframe[0].value["arm"]) == ["untuned base", "s2l", "random", "full"]


def test_one_draw_is_called_a_walk_through_whoever_wins(page, copied):
    for measure in page.button_group[0].options:
        fine(page.button_group[0].set_value(measure).run())
        text = words(page)
        assert "a walk-through, not evidence" in text, measure


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
    typed(page.multiselect(key="study:strategies"), ["s2l", "magic"])
    (shown,) = page.error
    assert "magic" in shown.value


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
    table = page.dataframe[0].value.set_index("arm")
    assert table["rows"][name] == 12
    assert f"Exploratory, as they come from saved selections: {name}." in words(page)
    assert "saved selections: their own" in words(page)
    fine(press(page, "Run more draws"))
    (job,) = jobs.jobs(copied.workspace)
    assert hard in flags(job), "the arm stays"
