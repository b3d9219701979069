import pytest

from core import jobs
from tests.conftest import NAME
from tests.pages.conftest import button, fine, flags, go, has_button, press, unescaped, words


@pytest.fixture
def page(visit, copied):
    return fine(visit(copied.root, "finetune", selection=copied.selection))


def test_without_a_selection_it_says_what_to_do(visit, bare):
    at = fine(visit(bare.root, "finetune"))
    assert has_button(at, "Set a budget")


def test_it_names_its_input_and_shows_the_run_so_far(page):
    assert f"selection: {NAME}" in words(page)
    facts = {m.label: unescaped(m.value) for m in page.metric}
    assert facts["Steps"].startswith("4 on 34 rows")
    assert facts["Exact match"].endswith("of 8)")
    assert len(page.dataframe[0].value) == 4, "its own and three of the study"


def test_its_answers_can_be_read(page):
    assert len([t for t in page.text if t.value.startswith(("right", "wrong"))]) == 8


def test_a_bad_setting_shows_one_sentence_and_starts_nothing(page):
    page.text_input(key="finetune:lr").set_value("abc").run()
    (shown,) = page.error
    assert unescaped(shown.value) == "--lr takes a number or auto, not 'abc'"
    assert not page.exception
    assert not has_button(page, "Start fine-tune")


def test_it_starts_once_what_the_command_line_would_start_and_stops(visit, page, copied, busy):
    busy(copied.workspace)
    two = [page, visit(copied.root, "finetune", selection=copied.selection)]
    for at in two:
        at.selectbox(key="finetune:model").set_value("scratch:tiny")
        at.number_input(key="finetune:steps").set_value(9).run()
    for at in two:
        fine(press(at, "Start fine-tune"))
    (job,) = jobs.jobs(copied.workspace)
    assert flags(job) == [
        "finetune",
        "--selection",
        copied.selection,
        "--model",
        "scratch:tiny",
        "--steps",
        "9",
    ]
    assert job.command in words(page)
    assert button(page, "Start fine-tune").disabled
    fine(press(page, "Stop"))
    assert jobs.wait(copied.workspace, job.id, 20).state == "stopped"
    page.run()
    assert "Stopped" in words(page)
    assert "34 rows" in words(page)  # the run before still stands


def test_settings_survive_a_visit_to_another_page(page):
    page.number_input(key="finetune:steps").set_value(33).run()
    page.segmented_control(key="finetune:method").set_value("lora").run()
    go(page, "overview")
    fine(go(page, "finetune"))
    assert page.number_input(key="finetune:steps").value == 33
    assert page.segmented_control(key="finetune:method").value == "lora"
