"""The story on the home page: five steps from real artifacts, hidden texts, nothing to launch."""

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.story import bill, show
from dashboard.story.show import STEPS
from tests.conftest import HOSTILE
from tests.pages.conftest import MAIN, fine, has_button, press, words

LAUNCH = ("Start", "Run", "Import", "Train", "Delete", "Keep")


@pytest.fixture
def story(monkeypatch):
    def open_story(root, step="1"):
        monkeypatch.setenv("S2L_WORKSPACE", str(root))
        at = AppTest.from_file(str(MAIN), default_timeout=60)
        at.query_params["present"], at.query_params["step"] = "1", step
        return fine(at.run())

    return open_story


@pytest.mark.parametrize("number", range(1, len(STEPS) + 1))
def test_each_step_stands_on_its_own_and_launches_nothing(story, finished, number):
    at = story(finished.root, str(number))
    assert at.header[0].value == f"{number} · {STEPS[number - 1].title}"
    assert not any(b.label.startswith(LAUNCH) for b in at.button)
    assert STEPS[number - 1].words in words(at)
    assert at.toggle(key="story:masked").value is True


@pytest.mark.parametrize("number", range(1, len(STEPS) + 1))
def test_an_empty_workspace_and_one_with_data_only_say_what_is_missing(story, bare, number):
    assert "nothing to present" in words(story(bare.root, str(number)))


@pytest.mark.parametrize("step", ["0", "9", "²", "-1", "x", "", "99999999999"])
def test_any_address_shows_a_step(story, finished, step):
    assert story(finished.root, step).header[0].value[0] in "15"


def test_back_next_notes_and_leave(story, finished):
    at = story(finished.root)
    assert at.button(key="story:Back").disabled
    press(at, "Next")
    assert at.header[0].value.startswith("2 ·")
    at.button(key="story:notes").click().run()
    assert STEPS[1].notes in words(at)
    at.button(key="story:notes").click().run()
    assert STEPS[1].notes not in words(at)
    press(at, "Leave")
    assert "present" not in at.query_params
    assert has_button(at, "Present")


def test_texts_are_hidden_until_the_switch_is_turned(story, finished):
    at = story(finished.root, "3")
    hidden = [t.value for t in at.text if "→" in t.value]
    assert hidden
    assert not any(ch.isalpha() for text in hidden for ch in text)
    at.toggle(key="story:masked").set_value(False).run()
    assert any(ch.isalpha() for t in at.text if "→" in t.value for ch in t.value)


def test_texts_of_a_private_dataset_stay_hidden_and_the_switch_says_why(
    story, finished, monkeypatch
):
    monkeypatch.setattr(show, "is_private", lambda artifact: True)
    at = story(finished.root, "3")
    switch = at.toggle(key="story:masked")
    assert switch.disabled
    assert "private" in switch.help
    hidden = [t.value for t in at.text if "→" in t.value]
    assert hidden
    assert not any(ch.isalpha() for text in hidden for ch in text)


def test_hostile_texts_stay_texts(story, finished):
    for number in range(1, len(STEPS) + 1):
        at = story(finished.root, str(number))
        shown = [m.value for kind in ("markdown", "caption", "header") for m in at.get(kind)]
        assert not any(text in value for text in HOSTILE[:2] for value in shown)


def test_a_price_turns_times_into_money_and_each_step_says_what_it_shows(story, finished):
    at = story(finished.root)
    assert not any("·" in m.value for m in at.metric)
    at.number_input(key="story:price").set_value(3600.0).run()
    fine(at)
    assert sum("·" in m.value for m in at.metric) == 3
    assert finished.dataset in words(at)
    assert finished.clusters in words(story(finished.root, "4"))


def test_money_is_price_by_hours_and_the_estimate_by_rows():
    assert bill.money(1800, 3.0) == " · 1.50"
    assert bill.money(1800, 0) == ""
    full = bill.ArmBill(1000, 5000, 100.0, 1, 100.0, 100.0)
    assert bill.as_often(full, full._replace(rows=110)) == pytest.approx(11.0)


def test_the_bill_is_of_the_middle_training_at_the_first_size_without_failed_ones():
    lines = [
        ("full", 900, 90.0, ""),
        ("s2l", 100, 50.0, ""),
        ("s2l", 100, 10.0, ""),
        ("s2l", 100, 20.0, ""),
        ("s2l", 100, 1.0, "out of memory"),
        ("s2l", 300, 2.0, ""),
    ]
    table = pd.DataFrame(lines, columns=["arm", "rows", "train_seconds", "failed"])
    found = bill.arms(table.assign(response_tokens=7 * table["rows"]))
    assert found["s2l"] == bill.ArmBill(100, 700, 20.0, 3, 10.0, 50.0)
    assert found["full"].trainings == 1
    assert bill.arms(table) == {}


def test_the_bill_says_why_there_are_fewer_rows_than_in_the_file(story, finished):
    dataset, made = (
        finished.workspace.open(id).summary for id in (finished.dataset, finished.trajectories)
    )
    said = words(story(finished.root))
    assert (
        f"{dataset['rows']:,} examples, of which {dataset['holdout_rows']:,} are held out" in said
    )
    assert f"{made['measured']:,} are left to choose from" in said


def test_bars_of_one_row_are_left_out_with_a_sentence(story, finished):
    at = story(finished.root, "4")
    charts = len(at.get("plotly_chart"))
    at.slider(key="story:share").set_value(1).run()
    assert "bars of one row say nothing" in words(fine(at))
    assert len(at.get("plotly_chart")) == charts - 1
