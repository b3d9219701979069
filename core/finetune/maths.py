r"""Final answers as values: numbers, expressions, tuples, sets, intervals, equations, words.

Policies, for predictions and golds alike:

- Percent, currency and degree marks are dropped, and numbers compared at face value: 20% is 20.
- Units after a number are dropped unless both answers have one: then these must be the same.
- `x = 5` is 5, unless both answers name their variable and the names differ.
- Tuples and intervals are ordered and keep their brackets; sets, lists and `\pm` are not ordered.
- A number base (`52_8`) must be the same where both answers give it.
- A decimal of at least six significant digits may be rounded from a fraction or a root.
- `12:30` and words are compared as text.
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction

from core.finetune.exact_values import Value
from core.finetune.expression import equal

ROUNDED_FROM = 6
"""Significant digits from which a decimal may be a rounded one."""
MEMBERS = 64
"""Of a set or tuple, at most; longer ones are compared as text."""
FLIPPED = str.maketrans("<>≤≥", "><≥≤")


@dataclasses.dataclass(frozen=True)
class Words:
    """Something that is no maths: compared as text, blind to case and spaces."""

    text: str


@dataclasses.dataclass(frozen=True)
class Expression:
    """A number or a formula."""

    values: tuple[Value, ...]
    literal: str = ""
    """The decimal as written, where it is one."""
    amount: tuple[Value, ...] = ()
    """Without its unit, where it has one."""
    unit: str = ""
    base: str = ""
    name: str = ""
    """The variable that it was given as the value of."""
    equation: tuple[Value, ...] = ()
    """That variable minus the value, where this is a formula: y = 2x + 1."""


@dataclasses.dataclass(frozen=True)
class Members:
    """Several answers: ordered within brackets, or a set."""

    items: tuple[Answer, ...]
    brackets: str = ""
    """As written; empty for a set, where order does not count."""


@dataclasses.dataclass(frozen=True)
class Relation:
    """An equation or inequality: sides with the signs between them."""

    signs: str
    sides: tuple[Answer, ...]
    difference: tuple[Value, ...] = ()
    """Of the sides of an equation: equations are the same up to a factor."""


Answer = Words | Expression | Members | Relation


def same(a: Answer, b: Answer) -> bool:
    """Return whether two answers say the same."""
    if isinstance(a, Expression) and isinstance(b, Expression):
        return _same_expression(a, b)
    if isinstance(a, Members) and isinstance(b, Members):
        return a.brackets == b.brackets and _same_members(a, b)
    if isinstance(a, Relation) and isinstance(b, Relation):
        return _same_relation(a, b)
    if isinstance(a, Relation) and isinstance(b, Expression):
        a, b = b, a
    if isinstance(a, Expression) and isinstance(b, Relation):
        return bool(a.equation) and _same_up_to_a_factor(a.equation, b.difference)
    return isinstance(a, Words) and isinstance(b, Words) and a.text == b.text


def _same_expression(a: Expression, b: Expression) -> bool:
    if (a.unit and b.unit and a.unit != b.unit) or (a.base and b.base and a.base != b.base):
        return False
    if a.name and b.name and a.name != b.name:
        both = bool(a.equation and b.equation)  # x = 3 - y is y = 3 - x
        return both and _same_up_to_a_factor(a.equation, b.equation)
    pairs = [(a.values, b.values)]
    if a.amount or b.amount:
        pairs.append((a.amount or a.values, b.amount or b.values))
    return any(equal(x, y) for x, y in pairs) or _rounded(a, b) or _rounded(b, a)


def _rounded(a: Expression, b: Expression) -> bool:
    """Return whether a is a long decimal that b, which no decimal can say, rounds or cuts to."""
    digits = a.literal.strip("+- ").replace(",", "")
    exact = b.values[0]
    if "." not in digits or len(digits.replace(".", "").lstrip("0")) < ROUNDED_FROM:
        return False
    if not _constant(b) or _is_decimal(exact) or abs(complex(exact).imag) > 1e-12:
        return False
    step = 10.0 ** -len(digits.partition(".")[2])
    return abs(complex(a.values[0]) - complex(exact)) <= step


def _is_decimal(value: Value) -> bool:
    """Return whether a decimal says this number exactly."""
    if not isinstance(value, Fraction):
        return False
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def _constant(answer: Answer) -> bool:
    return isinstance(answer, Expression) and len(set(answer.values)) == 1


def _same_members(a: Members, b: Members) -> bool:
    if len(a.items) != len(b.items) or len(a.items) > MEMBERS:
        return False
    if a.brackets:
        return all(same(x, y) for x, y in zip(a.items, b.items, strict=True))
    left = list(b.items)
    for item in a.items:
        match = next((i for i, other in enumerate(left) if same(item, other)), None)
        if match is None:
            return False
        left.pop(match)
    return True


def _same_relation(a: Relation, b: Relation) -> bool:
    if a.difference and b.difference:
        return _same_up_to_a_factor(a.difference, b.difference)
    turned = Relation(b.signs[::-1].translate(FLIPPED), b.sides[::-1])
    return any(
        a.signs == other.signs
        and len(a.sides) == len(other.sides)
        and all(same(x, y) for x, y in zip(a.sides, other.sides, strict=True))
        for other in (b, turned)
    )


def _same_up_to_a_factor(a: tuple[Value, ...], b: tuple[Value, ...]) -> bool:
    if len(a) != len(b):
        return False
    pairs = [(complex(x), complex(y)) for x, y in zip(a, b, strict=True)]
    if any(abs(x) < 1e-12 or abs(y) < 1e-12 for x, y in pairs):
        return False
    ratios = [x / y for x, y in pairs]
    return all(abs(r - ratios[0]) <= 1e-9 * abs(ratios[0]) for r in ratios)
