"""Maths and words as people and models write them become values that can be compared."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Sequence
from fractions import Fraction

from core.finetune.exact_values import NotMaths, Value
from core.finetune.expression import LONGEST, POINTS, WORDS, compute
from core.finetune.maths import FLIPPED, MEMBERS, Answer, Expression, Members, Relation, Words
from core.finetune.units import SHORT_UNIT, short_name

UNION, EMPTY = "\u222a", "\u2205"
MARKS = " .,;:!?\"'`*_()[]{}\u3002\uff0c\uff01\uff1f"
"""Around words, and no part of them."""
DROPPED = re.compile(
    r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|limits|,|!|;|:|q?quad)(?![A-Za-z])"
    r"|(?<!\\)\\[()\[\]]|\\?\$|\\?%|\*\*"
    r"|(?:\^\s*\{?\s*\\circ\s*\}?|°)(?:\s*[CF]\b)?|\\circ\b|\\degree"
)
SPELT = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        (r"\\[dtc]frac", r"\\frac"),
        (r"\{,\}", ","),
        (r"[\u2212\u2013\uff0d]|^\s*\u2014(?=\d)", "-"),
        (r"\u00b2", "^2"),
        (r"\u00b3", "^3"),
        (r"\u00bd", " 1/2"),
        (r"\u00bc", " 1/4"),
        (r"\u00be", " 3/4"),
        (r"(?<=\d)\s*[xX]\s*(?=10\s*\^)", "*"),
        (r"\{([^{}\\]{1,40})\\over(?![A-Za-z])([^{}\\]{1,40})\}", r"\\frac{\1}{\2}"),
        (r"\\(?:text|mathrm|mbox)\s*\{\s*(and|or)\s*\}", r" \1 "),
        (r"\\(?:emptyset|varnothing)(?![A-Za-z])|\u00d8", EMPTY),
        (r"\\cdot(?![A-Za-z])|\\times(?![A-Za-z])|[×·]", "*"),
        (r"\\div(?![A-Za-z])|÷", "/"),
        (r"(?<!\*)\*\*(?!\*)", "^"),
        (r"\\leq?(?![A-Za-z])|<=", "≤"),
        (r"\\geq?(?![A-Za-z])|>=", "≥"),
        (r"\\lt(?![A-Za-z])", "<"),
        (r"\\gt(?![A-Za-z])", ">"),
        (r"\\neq?(?![A-Za-z])|!=", "≠"),
        (r"\\in(?![A-Za-z])", "∈"),
        (r"\\pm(?![A-Za-z])", "±"),
        (r"\\mp(?![A-Za-z])", "∓"),
        (r"\\infty(?![A-Za-z])|\binfinity\b", "∞"),
        (r"\\cup(?![A-Za-z])", UNION),
        (r"\\pi(?![A-Za-z])|π", r"\\pi "),
        (r"√", r"\\sqrt"),
        (r"(?<!\\)\\ |~", " "),
    )
)
WORDED = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}"
)
PLAIN_NUMBER = r"(?:\d{1,3}(?:,\s?\d{3})+|\d+)(?:\.\d+)?|\.\d+"
THOUSANDS = re.compile(r"-?\d{1,3}(?:,\s*\d{3})+(?:\.\d+)?")
DECIMAL = re.compile(r"[-+]?\s*(?:\d[\d,]*\.\d+|\.\d+)")
MIXED = re.compile(
    r"(?P<sign>-?)\s*(?P<whole>\d{1,40})"
    r"(?:\s+(?P<a>\d{1,40})\s*/\s*(?P<b>\d{1,40})"
    r"|\s*\\frac\s*\{?(?P<c>\d{1,40}?)\}?\s*\{?(?P<d>\d{1,40})\}?)"
)
REPEATING = re.compile(r"(-?)(\d{1,40}?)\.(\d{0,40})\\overline\s*\{(\d{1,40})\}")
BASED = re.compile(r"([0-9A-Fa-f]+)\s*_\s*\{?\s*(\d+)\s*\}?")
UNITED = re.compile(
    rf"(?P<number>[-+]?\s*(?:{PLAIN_NUMBER}|.*[\d)}}]))"
    r"\s*(?P<unit>[A-Za-z][A-Za-z .]*(?:\^?\{?\d\}?)?(?:\s*/\s*[A-Za-z]+(?:\^?\{?\d\}?)?)?)"
)
SPOKEN = re.compile(rf"[^\d\\=<>≤≥∈±{UNION}⟦|^_+*/()\[\]{{}}∞,-]{{2,}}")
"""Words alone, without a sign of maths."""
PROSE = re.compile(rf"(?<![\\A-Za-z])(?!(?:{'|'.join(WORDS)})\b)[A-Za-z]{{2,}}\s+[A-Za-z\d\\.]")
"""A word before another word or a number: no product of its letters."""
NAME = re.compile(r"\\?[A-Za-z]{1,2}(?:_\{?\w+\}?)?(?:\s*\(\s*[A-Za-z]\s*\))?'*")
MATRIX = re.compile(r"\\begin\{([pbvB]?matrix|array)\}(?:\{[lcr|]*\})?(.*)\\end\{\1\}", re.DOTALL)
RELATIONS = "=<>≤≥≠∈"
DEEPEST = 6


def plain(text: str) -> str:
    """Return an answer without the marks that do not change what it says."""
    for pattern, to in SPELT:
        text = pattern.sub(to, text)
    text = DROPPED.sub("", text).replace("\\{", "⟦").replace("\\}", "⟧")
    text = text.lstrip(",;: \n\t").rstrip(".,;: \n\t").rstrip("\\ ")
    return text if re.match(r"\.\d", text) else text.lstrip(".,;: ")


def understand(text: str) -> Answer:
    """Read a final answer; what is no maths is words."""
    return Words(_tight(text)) if len(text) > LONGEST else _answer(plain(text), 0)


def _answer(text: str, depth: int) -> Answer:
    text = _unwrapped(text.strip())
    if depth > DEEPEST or SPOKEN.fullmatch(text) or re.search(r"\d\s*:\s*\d", text):
        return Words(_tight(text))
    for read in (_number, _union, _matrix, _bracketed, _list, _relation, _either_sign):
        value = read(text, depth)
        if value is not None:
            return value
    return _formula(text, depth)


def _number(text: str, depth: int) -> Answer | None:
    """Read what only looks like a list, product or name: 1,000; 2 1/2; 52_8."""
    if THOUSANDS.fullmatch(text):
        return _formula(re.sub(r"[,\s]", "", text), depth)
    mixed = MIXED.fullmatch(text)
    if mixed and int(below := mixed["b"] or mixed["d"]):
        value = int(mixed["whole"]) + Fraction(int(mixed["a"] or mixed["c"]), int(below))
        return Expression((-value if mixed["sign"] else value,) * POINTS)
    if text == EMPTY or re.fullmatch(r"⟦\s*⟧", text):
        return Members(())
    repeating = REPEATING.fullmatch(text)
    if repeating:
        sign, whole, first, again = repeating.groups()
        parts = int(f"{whole}{first}{again}") - int(f"{whole}{first}" or 0)
        value = Fraction(parts, 10 ** len(first) * (10 ** len(again) - 1))
        return Expression((-value if sign else value,) * POINTS)
    based = BASED.fullmatch(text)
    if based and any(c.isdigit() for c in based[1]):
        digits = _formula(based[1], depth)
        if isinstance(digits, Expression):
            return dataclasses.replace(digits, base=based[2])
    return None


def _union(text: str, depth: int) -> Answer | None:
    parts = _split(text, UNION)
    return _members(parts, "", depth) if len(parts) > 1 else None


def _matrix(text: str, depth: int) -> Answer | None:
    matrix = MATRIX.fullmatch(text)
    if not matrix:
        return None
    rows = [r for r in re.split(r"\\\\|\\cr", matrix[2]) if r.strip()]
    lines = tuple(_members(row.split("&"), "row", depth) for row in rows[:MEMBERS])
    return Members(lines, "matrix")


def _bracketed(text: str, depth: int) -> Answer | None:
    if text.startswith("⟦") and text.endswith("⟧"):
        inner = _answer(text[1:-1], depth + 1)
        flat = isinstance(inner, Members) and not inner.brackets
        return inner if flat else Members((inner,))
    if text[:1] in ("(", "[") and text[-1:] in (")", "]") and _closed_at(text) == len(text) - 1:
        parts = _split(text[1:-1], ",")
        if len(parts) > 1:
            return _members(parts, text[0] + text[-1], depth)
    return None


def _list(text: str, depth: int) -> Answer | None:
    parts = [
        part
        for piece in _split(text, ",;")
        for part in re.split(r"(?:^|\s+)(?:and|or)\s+", piece)
        if part.strip()
    ]
    if not 1 < len(parts) <= MEMBERS:
        return None
    members = _members(parts, "", depth)
    prose = any(isinstance(item, Words) for item in members.items)
    long = any(len(part.split()) >= 4 for part in parts)
    return Words(_tight(text)) if prose and long else members


def _relation(text: str, depth: int) -> Answer | None:
    signs = "".join(c for c in text if c in RELATIONS)
    parts = re.split(f"[{RELATIONS}]", text)
    if not 0 < len(signs) <= 8 or not all(p.strip() for p in parts):
        return None
    if signs in ("=", "∈") and NAME.fullmatch(parts[0].strip()):
        value = _answer(parts[1], depth + 1)
        if isinstance(value, Expression):
            name = _formula(parts[0].strip(), depth)
            gap: tuple[Value, ...] = ()
            if isinstance(name, Expression) and len(set(value.values)) > 1:
                gap = tuple(x - y for x, y in zip(name.values, value.values, strict=True))
            return dataclasses.replace(value, name=_tight(parts[0]), equation=gap)
        return value
    sides = tuple(_answer(p, depth + 1) for p in parts)
    if interval := _interval(signs, parts, sides):
        return interval
    first, last = sides[0], sides[-1]
    if set(signs) == {"="} and isinstance(last, Expression) and isinstance(first, Expression):
        if len(sides) > 2 or len(set(first.values)) == 1:
            return last  # a + b = 3 + 4 = 7
        gap = tuple(x - y for x, y in zip(first.values, last.values, strict=True))
        return Relation("=", sides, gap)
    return Relation(signs, sides)


def _interval(signs: str, parts: Sequence[str], sides: tuple[Answer, ...]) -> Members | None:
    """Return the values of a variable between bounds: -2 < x <= 7 is (-2, 7]."""
    if set(signs) <= set(">≥"):
        signs, parts, sides = signs[::-1].translate(FLIPPED), parts[::-1], sides[::-1]
    named = [i for i, p in enumerate(parts) if NAME.fullmatch(p.strip())]
    if not set(signs) <= set("<≤") or len(named) != 1 or len(parts) > 3:
        return None
    if len(parts) == 3 and named != [1]:
        return None
    low: Answer = Expression(compute("-∞"))
    high: Answer = Expression(compute("∞"))
    opening, closing = "(", ")"
    if named[0] > 0:
        low, opening = sides[0], "(" if signs[0] == "<" else "["
    if named[0] < len(parts) - 1:
        high, closing = sides[-1], ")" if signs[-1] == "<" else "]"
    return Members((low, high), opening + closing)


def _either_sign(text: str, depth: int) -> Answer | None:
    if "±" not in text:
        return None
    pair = [text.replace("±", a).replace("∓", b) for a, b in ("+-", "-+")]
    return _members(pair, "", depth)


def _formula(text: str, depth: int) -> Answer:
    worded = WORDED.fullmatch(text)
    if worded:
        return _answer(worded[1].strip(), depth + 1)
    values: tuple[Value, ...] = ()
    with contextlib.suppress(NotMaths):
        values = () if PROSE.search(text) else compute(text)
    united = UNITED.fullmatch(WORDED.sub(r" \1 ", text).strip())
    short = united and SHORT_UNIT.fullmatch(united["unit"])
    if united and (short or not values) and not PROSE.search(united["number"]):
        with contextlib.suppress(NotMaths):
            amount = compute(united["number"])
            return Expression(values or amount, amount=amount, unit=short_name(united["unit"]))
    if not values:
        return Words(_tight(text))
    return Expression(values, literal=text if DECIMAL.fullmatch(text) else "")


def _members(parts: Sequence[str], brackets: str, depth: int) -> Members:
    items: list[Answer] = []
    for part in parts[: MEMBERS + 1]:
        item = _answer(part, depth + 1)
        if not brackets and isinstance(item, Members) and not item.brackets:
            items.extend(item.items)
        else:
            items.append(item)
    return Members(tuple(items), brackets)


def _split(text: str, at: str) -> list[str]:
    """Split outside all brackets."""
    depth, parts, start = 0, [], 0
    for i, c in enumerate(text):
        depth += (c in "([{⟦") - (c in ")]}⟧")
        if c in at and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [p for p in (*parts, text[start:]) if p.strip()] if parts else [text]


def _closed_at(text: str) -> int:
    """Return where the bracket that opens the text is closed; -1 if it is not."""
    depth = 0
    for i, c in enumerate(text):
        depth += (c in "([{⟦") - (c in ")]}⟧")
        if depth == 0:
            return i
    return -1


def _unwrapped(text: str) -> str:
    while text.startswith("{") and text.endswith("}") and _closed_at(text) == len(text) - 1:
        text = text[1:-1].strip()
    return text


def _tight(text: str) -> str:
    """Return words as they are compared: without case, spaces, quotes and end marks."""
    return " ".join(WORDED.sub(r" \1 ", text).casefold().split()).strip(MARKS)
