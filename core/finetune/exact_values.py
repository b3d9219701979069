"""Numbers of maths, exact where they can be: a power, a root, and how large one may become."""

from __future__ import annotations

import cmath
import math
from fractions import Fraction

Value = Fraction | complex
DIGITS = 400
"""Digits of a number, and the size of its exponent, at most."""
BITS = 20_000
"""Of an exact power, at most; larger ones are computed as floats."""


class NotMaths(Exception):
    """The text is no expression that is understood."""


def raised(base: Value, exponent: Value) -> Value:
    """Return a power: exact where it is rational and not too large, else a complex number."""
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if exponent.denominator == 1 and abs(exponent) * bits <= BITS:
            return base ** int(exponent)
        root = _exact_root(base, exponent)
        if root is not None:
            return root
    return sized(complex(base) ** complex(exponent))


def _exact_root(base: Fraction, exponent: Fraction) -> Fraction | None:
    """Return the square root of a square, None for everything else."""
    if exponent != Fraction(1, 2) or base < 0:
        return None
    above, below = math.isqrt(base.numerator), math.isqrt(base.denominator)
    exact = above**2 == base.numerator and below**2 == base.denominator
    return Fraction(above, below) if exact else None


def sized(value: Value) -> Value:
    """Return the value, as a float where the fraction has become long."""
    if isinstance(value, Fraction) and value.denominator.bit_length() > BITS:
        return complex(value)
    if isinstance(value, complex) and not cmath.isfinite(value):
        raise NotMaths("not finite")
    return value
