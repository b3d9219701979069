from dashboard.frame.state import distinct


def test_options_of_one_name_are_told_apart_by_their_ids():
    names = {"1": "proxy", "2": "proxy", "3": "other"}
    assert distinct(names) == {"1": "proxy · 1", "2": "proxy · 2", "3": "other"}
    assert list(distinct(names)) == ["1", "2", "3"]
    assert distinct({}) == {}
