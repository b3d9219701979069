import pytest

from core import dataset
from core.dataset.run import load_any
from dashboard.frame import state
from dashboard.frame.state import distinct
from tests.conftest import write


@pytest.fixture
def fresh(copied, monkeypatch):
    """Return the finished workspace as a browser sees it that has opened nothing yet."""
    monkeypatch.setenv("S2L_WORKSPACE", str(copied.root))
    monkeypatch.setattr(state.st, "query_params", {})
    monkeypatch.setattr(state.st, "session_state", {})
    return copied


def test_a_file_to_test_on_is_not_what_a_fresh_browser_opens(fresh, tmp_path):
    file = write(tmp_path / "tests.jsonl", [{"question": "2 + 3?", "answer": "5"}] * 3)
    load_any(fresh.workspace, str(file))
    assert state.current("dataset").id == fresh.dataset
    own = dataset.run(fresh.workspace, dataset.Settings(path=str(fresh.file)))
    state.st.query_params.clear()
    state.st.session_state.clear()
    assert state.current("dataset").id == own, "the newest, otherwise"


def test_the_only_dataset_is_opened_though_nothing_is_held_out(bare, monkeypatch, tmp_path):
    monkeypatch.setenv("S2L_WORKSPACE", str(bare.root))
    monkeypatch.setattr(state.st, "query_params", {})
    monkeypatch.setattr(state.st, "session_state", {})
    file = write(tmp_path / "rows.jsonl", [{"question": "2 + 3?", "answer": "5"}] * 3)
    assert state.current("dataset") is None
    assert load_any(bare, str(file)) == state.current("dataset").id


def test_options_of_one_name_are_told_apart_by_their_ids():
    names = {"1": "proxy", "2": "proxy", "3": "other"}
    assert distinct(names) == {"1": "proxy · 1", "2": "proxy · 2", "3": "other"}
    assert list(distinct(names)) == ["1", "2", "3"]
    assert distinct({}) == {}
