r"""Where a solution says its final answer: in a box, after a mark, or at its end.

The last mark counts, of `\boxed{}`, `####` and "the answer is", before the place where a model runs
on into a next question. What was taken from where is kept, so that a person can check it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

LONGEST = 40_000
"""Characters that are looked at; a longer text is read from its end."""
WHOLE = 160
"""Characters of an answer that may as a whole be the final one."""

BLANK = r"[^\S\n]*"
"""Within a line, as a run of empty lines would be read again from each of them."""
RUN_ON = re.compile(
    rf"\n{BLANK}(?:#+{BLANK})?(?:Question|Q|Problem|Instruction|Input|User|Human)\s*(?:\d+\s*)?:"
    rf"|\n{BLANK}###{BLANK}(?:Question|Problem|Instruction|Input|User|Human)\b"
    r"|<\|(?:im_end|im_start|endoftext|eot_id|end|user)\|>|</s>|<end_of_turn>"
)
"""A next question, or a turn's end written out."""

MARKS_TRIED = 50
BOX = re.compile(r"\\f?boxed\s*(?=\{)|\\boxed\s+(\S+)")
HASHES = re.compile(r"####[ \t]*")
SAID = re.compile(
    r"(?:\banswers?\**\s+(?:to [^.\n]{1,80} )?(?:is|are|was|=)\b"
    r"|^[^\w\n]*(?:final\s+)?answer\s*\**\s*[:=])"
    r"\s*[:=]?\**\s*(?:(?:equal to|equals|approximately|about|therefore|thus|simply)\s+)?",
    re.IGNORECASE | re.MULTILINE,
)
SENTENCE = re.compile(r"(?<![A-Z])\.(?=\s|$)|\n|[!?](?=\s|$)")
FORMULA = re.compile(
    r"\$\$(.+?)\$\$|(?<!\\)\$([^$\n]+?)(?<!\\)\$"
    r"|\\\(((?:(?!\\\().)+?)\\\)|\\\[((?:(?!\\\[).)+?)\\\]",
    re.DOTALL,
)
AMOUNT = (
    r"\d+(?::\d+)+"  # a time or a ratio: no number
    r"|(?:(?<![\w)\]%])[-\u2212][ ]?)?(?:\\?\$)?"
    r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)"
    r"(?:[eE][+-]?\d+\b)?(?:[ ]\d+/\d+|[ ]?/[ ]?\d+(?![\d.]))?"
)
"""A number in a sentence; a dash after a word or a number is no sign."""


class Found(NamedTuple):
    """A final answer, and where it stood."""

    text: str
    where: str
    """In a box, after a mark, the whole text, the last formula or number; or nothing."""


NOTHING = Found("", "nothing found")


def cut(text: str, stops: Sequence[str] = ()) -> tuple[str, bool]:
    """Return the first answer of a text, and whether it went on to a next question.

    Args:
        stops: What its template writes before a next question, at the beginning of a line.
    """
    own = "|".join(rf"\n{BLANK}{re.escape(stop)}" for stop in stops)
    ends = [end.start() for p in (RUN_ON.pattern, own) if p and (end := re.search(p, text[1:]))]
    return (text[: min(ends) + 1].rstrip().rstrip("#"), True) if ends else (text, False)


def without_thoughts(text: str) -> str:
    """Return the text around its thoughts; nothing of thoughts that never end."""
    before, opened, rest = text.partition("<think>")
    if not opened:  # it may have been opened in the prompt
        return text.rpartition("</think>")[2]
    after = rest.rpartition("</think>")[2] if "</think>" in rest else ""
    return before + after.partition("<think>")[0]


def marked(text: str, *, digits: bool = False) -> Found | None:
    """Return what follows the last mark, None without any.

    Args:
        digits: Whether "the answer is" only counts before a number: "our answer is correct".
    """
    marks = [
        *((m.start(), m, "in a box") for m in BOX.finditer(text)),
        *((m.start(), m, "after ####") for m in HASHES.finditer(text)),
        *((m.start(), m, "after 'answer'") for m in SAID.finditer(text)),
    ]
    for _, mark, where in sorted(marks, key=lambda m: -m[0])[:MARKS_TRIED]:
        if where == "in a box":
            return Found(mark[1] or _braced(text, mark.end()), where)
        if where == "after ####":
            return Found(text[mark.end() :].partition("\n")[0].strip(), where)
        answer = Found(_sentence(text[mark.end() :].lstrip()), where)
        if answer.text and (not digits or re.search(r"\d", answer.text)):
            return answer
    return None


def _sentence(rest: str) -> str:
    """Return what a sentence that says an answer begins with: a formula, else all of it."""
    formula = FORMULA.match(rest.lstrip("* "))
    if formula:
        return next(g for g in formula.groups() if g is not None)
    end = SENTENCE.search(rest)
    return (rest[: end.start()] if end else rest).strip(" *")


def last_formula(text: str) -> tuple[int, Found] | None:
    r"""Return the last `$...$` and where it ends."""
    formulas = [m for m in FORMULA.finditer(text) if any(g and g.strip() for g in m.groups())]
    if not formulas:
        return None
    inside = next(g for g in formulas[-1].groups() if g is not None)
    return formulas[-1].end(), Found(inside, "last formula")


def last_amount(text: str) -> tuple[int, Found] | None:
    """Return the last number of a text and where it ends."""
    amounts = list(re.finditer(AMOUNT, text))
    return (amounts[-1].end(), Found(amounts[-1][0], "last number")) if amounts else None


def one_amount(text: str) -> str:
    """Return the number that a short text says, with words around it; "" if it says several.

    A number that stands first counts though others follow in a sentence, unless they are a part of
    it: 10 dollars and 5 cents.
    """
    amounts = list(re.finditer(AMOUNT, text))
    if len({m[0] for m in amounts}) == 1:
        return amounts[0][0]
    if amounts and not text[: amounts[0].start()].strip(" *$(\\"):
        between = text[amounts[0].end() : amounts[1].start()]
        joined = re.search(r"\b(?:and|or|to|by|of)\s*\$?$|^\s*[-:,x*/+^=]|[-:x*/+^=]\s*$", between)
        return "" if joined else amounts[0][0]
    return ""


def _braced(text: str, start: int) -> str:
    """Return what stands in the braces that open at `start`; the rest if they never close."""
    depth = 0
    for end in range(start, len(text)):
        depth += (text[end] == "{") - (text[end] == "}")
        if depth == 0:
            return text[start + 1 : end]
    return text[start + 1 :]
