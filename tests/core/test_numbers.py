"""Numbers as people write them."""

import pytest

from core.numbers import number


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("12", int, 12),
        (" -3 ", int, -3),
        (".5", float, 0.5),
        ("5.", float, 5.0),
        ("1e-3", float, 0.001),
        ("INF", float, float("inf")),
    ],
)
def test_what_is_a_number(text, kind, value):
    assert number(text, kind) == value


@pytest.mark.parametrize(
    ("text", "kind"),
    [("", int), ("1.0", int), ("1_000", int), ("٣", int), ("1_0.5", float), ("1e99999", float)],
)
def test_what_python_alone_would_take_or_is_none(text, kind):
    with pytest.raises(ValueError, match=r"^"):
        number(text, kind)
