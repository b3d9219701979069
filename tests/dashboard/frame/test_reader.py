import pytest

from dashboard.frame.reader import said


@pytest.mark.parametrize(
    ("text", "shown"),
    [("", "(nothing)"), (" \n\t", "(only 3 spaces and line breaks)"), (" 4 ", " 4 ")],
)
def test_an_answer_that_cannot_be_seen_is_named(text, shown):
    assert said(text) == shown
