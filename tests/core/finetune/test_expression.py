"""Expressions are computed, compared and capped; checked against Python's own arithmetic."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.finetune.exact_values import DIGITS, NotMaths
from core.finetune.expression import compute, equal


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1/2", Fraction(1, 2)),
        (r"\frac12", Fraction(1, 2)),
        (r"\frac 34", Fraction(3, 4)),
        (r"\frac{270}7", Fraction(270, 7)),
        ("1,234.5", Fraction(2469, 2)),
        ("2^{10}", Fraction(1024)),
        ("2^-1", Fraction(1, 2)),
        ("-2^2", Fraction(-4)),
        ("4!", Fraction(24)),
        ("3e2", Fraction(300)),
        ("1.5e-3", Fraction(3, 2000)),
        (r"\sqrt{16}", Fraction(4)),
        (r"\sqrt[3]{8}", 2.0),
        (r"\sqrt2", math.sqrt(2)),
        (r"2\pi", 2 * math.pi),
        ("|3-5|", Fraction(2)),
        (r"\log_2 8", 3.0),
        (r"\sin^2 1", math.sin(1) ** 2),
        (r"\cos 2\pi", 1.0),
        ("(1+2)(3+4)", Fraction(21)),
        ("6+9i", 6 + 9j),
        (r"\binom{5}{2}", Fraction(10)),
        ("2e", 2 * math.e),
    ],
)
def test_values(text, value):
    found = compute(text)[0]
    assert found == value if isinstance(value, Fraction) else found == pytest.approx(value)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"2\sqrt{5}", r"\sqrt{20}"),
        ("p - q", "-q+p"),
        ("(a+5)(b+2)", "ab+2a+5b+10"),
        (r"\cot x", r"\frac{\cos x}{\sin x}"),
        (r"\frac{\sqrt{3}}{3}", r"1/\sqrt3"),
        ("x_1+x_2", "x_{2}+x_1"),
        (r"\alpha + 1", r"1+\alpha"),
    ],
)
def test_the_same_formula(a, b):
    assert equal(compute(a), compute(b))


@pytest.mark.parametrize(("a", "b"), [("x", "y"), ("|x|", "x"), ("x_1", "x_2"), ("x^2", "x^3")])
def test_another_formula(a, b):
    assert not equal(compute(a), compute(b))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1/0",
        "1+",
        "(1",
        "1)",
        "9^9^9",
        "9" * (DIGITS + 1),
        "1e9999",
        "171!",
        "(-1)!",
        "0^-1",
        "word",
        r"\unknown{2}",
        "(" * 99 + "1" + ")" * 99,
        "-" * 99 + "1",
        "x__class__",
        "1 = 1",
    ],
    ids=lambda text: text[:12],
)
def test_what_is_no_expression_or_too_large_is_refused(text):
    with pytest.raises(NotMaths):
        compute(text)


NUMBERS = st.integers(0, 99).map(str)
SUMS = st.recursive(
    NUMBERS,
    lambda inner: st.builds("({}{}{})".format, inner, st.sampled_from("+-*/"), inner),
    max_leaves=8,
)


@given(SUMS)
def test_sums_as_python_computes_them(text):
    exact = "".join(f"Fraction({c})" if c.isdigit() else c for c in _numbers(text))
    try:
        expected = eval(exact, {"Fraction": Fraction})
    except ZeroDivisionError:
        with pytest.raises(NotMaths):
            compute(text)
    else:
        assert compute(text) == (expected,) * 3


def _numbers(text):
    """Split into numbers and single signs."""
    parts = [""]
    for c in text:
        if c.isdigit() and parts[-1].isdigit():
            parts[-1] += c
        else:
            parts.append(c)
    return parts
