"""Units after a number."""

import pytest

from core.finetune.units import SHORT_UNIT, short_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("centimetres", "cm"),
        ("Feet.", "ft"),
        ("hrs", "h"),
        ("\\text{} km^{2}", "\\textkm2"),
        ("apples", "apple"),
        ("bus", "bus"),
    ],
)
def test_equal_units_have_one_short_name(text, name):
    assert short_name(text) == name


def test_letters_that_are_a_unit_are_no_product():
    assert all(SHORT_UNIT.fullmatch(unit) for unit in ("cm", "km/h", "cm^2", "sec"))
    assert not any(SHORT_UNIT.fullmatch(letters) for letters in ("xy", "ab"))
