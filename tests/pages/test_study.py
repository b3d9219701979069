import pytest

from core import jobs
from tests.conftest import NAME
from tests.pages.conftest import button, fine, flags, go, has_button, press, words


@pytest.fixture
def page(visit, shop):
    return fine(visit(shop.root, "study", study=shop.study))


def test_without_clusters_it_says_what_to_do(visit, bare):
    at = fine(visit(bare.root, "study"))
    assert has_button(at, "See the clusters")


def test_it_names_its_inputs_and_shows_every_arm(page):
    assert f"clusters: {NAME}" in words(page)
    assert "3 arms × 1 seeds" in words(page)
    assert list(page.dataframe[0].value["arm"]) == ["untuned base", "s2l", "random", "full"]


def test_one_draw_is_called_a_walk_through_whoever_wins(page, shop):
    for measure in page.button_group[0].options:
        fine(page.button_group[0].set_value(measure).run())
        text = words(page)
        assert "a walk-through, not evidence" in text or "scored the same" in text, measure


def test_bad_settings_show_one_sentence(page):
    page.text_input(key="study:budget").set_value("200%").run()
    (shown,) = page.error
    assert "200%" in shown.value
    assert not page.exception
    page.text_input(key="study:budget").set_value("11%").run()
    page.text_input(key="study:strategies").set_value("s2l,magic").run()
    (shown,) = page.error
    assert "magic" in shown.value


def test_it_starts_what_the_command_line_would_start_and_stops(page, shop, busy):
    busy(shop.workspace)
    page.text_input(key="study:seeds").set_value("0,1").run()
    fine(press(page, "Start study"))
    (job,) = jobs.jobs(shop.workspace)
    assert flags(job) == ["study", "--clusters", shop.clusters, "--seeds", "0,1"]
    assert button(page, "Start study").disabled
    fine(press(page, "Stop"))
    assert jobs.wait(shop.workspace, job.id, 20).state == "stopped"
    page.run()
    assert "Stopped" in words(page)
    assert has_button(page, "Resume")


def test_settings_survive_a_visit_to_another_page(page):
    page.text_input(key="study:seeds").set_value("3,4").run()
    go(page, "dataset")
    fine(go(page, "study"))
    assert page.text_input(key="study:seeds").value == "3,4"
