"""Powers and roots, exact where they can be."""

from fractions import Fraction

import pytest

from core.finetune.exact_values import BITS, NotMaths, raised, sized


def test_powers_and_square_roots_of_fractions_are_exact():
    assert raised(Fraction(2, 3), Fraction(-2)) == Fraction(9, 4)
    assert raised(Fraction(9, 16), Fraction(1, 2)) == Fraction(3, 4)


def test_what_is_no_fraction_or_too_long_is_a_float():
    root = raised(Fraction(2), Fraction(1, 2))
    assert isinstance(root, complex)
    assert root.real == pytest.approx(2**0.5)
    assert isinstance(sized(Fraction(1, 2 ** (BITS + 1) + 1)), complex)


def test_what_is_not_finite_is_no_maths():
    with pytest.raises(NotMaths):
        sized(complex("inf"))
