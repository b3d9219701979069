"""A browser sends the title that it shows, also when the list calls the option otherwise by now."""

import pytest

from dashboard.frame import titles


@pytest.fixture
def session(monkeypatch):
    held = {}
    monkeypatch.setattr(titles.st, "session_state", held)
    return held


def test_an_option_is_itself_under_a_new_title_and_where_it_is_listed_no_more(session):
    titles.settle("model", {"a/b": "b · on the hub", "c": "c"})
    assert "model" not in session
    for names in ({"c": "c", "a/b": "b · on this machine"}, {"c": "c"}, None):
        session["model"] = "b · on the hub"  # of a browser that was not told
        titles.settle("model", names)
        assert session["model"] == "a/b"
        titles.settle("model", names)
        assert session["model"] == "a/b"


def test_what_is_typed_stays_as_it_is(session):
    names = {"a": "first", "first": "second"}
    for typed, meant in {"elsewhere": "elsewhere", "first": "first", "second": "first"}.items():
        session["model"] = typed
        titles.settle("model", names)
        assert session["model"] == meant
