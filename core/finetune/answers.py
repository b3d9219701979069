"""Answers: what a model said beside what is right.

A new way to judge is one function and one row in MATCHERS. Nothing that a model or a file says is
ever run, and nothing takes longer than about a second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from core.evaluations.programs import is_program
from core.finetune import final_answer
from core.finetune.final_answer import NOTHING, Found
from core.finetune.maths import Expression, Members, Words, same
from core.finetune.written_maths import WORDED, plain, understand

JUDGED = 4
"""Goes up when answers are judged in another way: scores of two ways are never compared."""
NO_GOLD = "no gold"
PROGRAM = "a program, which is not run"
EXACT = 0.99
"""A verifier gives less for a partly right answer."""
LETTER = re.compile(r"\(?\s*([A-J])\s*[).]?")
CHOSEN = re.compile(
    r"\W*(?:(?i:the )?(?i:option|choice|letter)\s*)?"
    r"(?:\(\s*([A-Ja-j])\s*\)|([A-J])(?=\s*$|[).:,;](?:\s|$)|\s+(?:because|since|is|as)\b))"
    r"(?!\s+is\s+(?:not|wrong|incorrect|false)\b)"
)
JOINED = r"(?:,|/|&|\band\b|\bor\b|\bnor\b)"
ANOTHER = re.compile(rf"\)?\s*{JOINED}\s*\(?[A-J]\)?(?=\s*(?:$|[.,;:]|{JOINED}))")
"""After a letter: a second one, so that none is chosen."""
NOT_ALONE = re.compile(rf"(?:\b[A-J]\)?\s*{JOINED}|\bnot)\s*\(?\s*$")
"""Before a letter that is none chosen alone."""
OPENING = re.compile(r"\W*(yes|no|true|false)\b(?=\s*$|[.,;:!\n])", re.IGNORECASE)
ARITHMETIC = re.compile(r"[\w)}]\s*(?<!\d[eE])[-+*]\s*[\d({\\]")
"""A sum that is left to be computed is no final number."""
SECONDS = 0.5
"""For a regular expression of a test file."""


class Verdict(NamedTuple):
    """How an answer was judged, so that a person can check it."""

    right: bool
    extracted: str
    """The final answer as it was taken from the text."""
    where: str
    """Where it stood."""
    matcher: str
    ran_on: bool
    """Whether the text went on to a next question, which was cut off."""


class Matcher(NamedTuple):
    """A way to judge an answer, and the golds that are judged so."""

    judge: Callable[[str, str, Mapping[str, Any]], tuple[bool, Found]]
    """(what the model said, gold, item) -> right, and what was taken for the final answer."""
    fits: Callable[[str], bool]
    """Whether a gold asks for it."""
    sentence: str


def judge(
    prediction: str,
    gold: str,
    *,
    item: Mapping[str, Any] | None = None,
    matcher: str = "",
    first_answer_only: bool = True,
    stops: Sequence[str] = (),
) -> Verdict:
    """Judge an answer.

    Args:
        prediction: What the model said, all of it.
        gold: The right answer: a bare one is itself the answer; of a solution its box or ####.
        item: The test item, for matchers that need more than the gold.
        matcher: A key of MATCHERS; by default the item's own, else the one the gold asks for.
        first_answer_only: Cut the text where it runs on to a next question.
        stops: What the template writes before a next question.
    """
    item = item or {}
    gold = bare(gold)
    name = matcher or matcher_of(gold, item)
    said = final_answer.without_thoughts(prediction[-final_answer.LONGEST :])
    first, ran_on = final_answer.cut(said, stops) if first_answer_only else (said, False)
    if not gold.strip() and name not in ("reasoning-gym", "regex"):
        return Verdict(False, "", NO_GOLD, name, ran_on)
    if name in ("number", "maths") and is_program(first) and not final_answer.marked(first):
        return Verdict(False, "", PROGRAM, name, ran_on)
    right, answer = MATCHERS[name].judge(first, gold, item)
    return Verdict(right, answer.text, answer.where, name, ran_on)


def matcher_of(gold: str, item: Mapping[str, Any] | None = None) -> str:
    """Return the matcher that an item asks for: its own, else by the form of its gold."""
    named = str((item or {}).get("verifier") or "")
    if named in MATCHERS:
        return named
    return next(name for name, matcher in MATCHERS.items() if matcher.fits(gold))


def bare(gold: str) -> str:
    r"""Return the answer of a gold that is a whole solution: what its `\boxed{}` or #### says."""
    if "\\boxed" in gold or "\\fbox" in gold or "####" in gold:
        answer = final_answer.marked(gold)
        return answer.text if answer else gold
    return gold


def _number(said: str, gold: str, item: Mapping[str, Any]) -> tuple[bool, Found]:
    right = understand(gold)
    answer = final_answer.marked(said, digits=True)
    if answer:
        if not isinstance(understand(answer.text), Expression) and answer.where != "in a box":
            after = answer.text.rpartition("=")[2] if "=" in answer.text else answer.text
            answer = Found(final_answer.one_amount(after) or answer.text, answer.where)
        return same(understand(answer.text), right), answer
    answer = _unmarked(said, numbers=True)
    return same(understand(answer.text), right), answer


def _maths(said: str, gold: str, item: Mapping[str, Any]) -> tuple[bool, Found]:
    answer = final_answer.marked(said) or _unmarked(said, numbers=False)
    inner = final_answer.last_formula(answer.text)
    if inner and isinstance(understand(answer.text), Words):
        answer = Found(inner[1].text, answer.where)
    return same(understand(answer.text), understand(gold)), answer


def _unmarked(said: str, *, numbers: bool) -> Found:
    """Return the final answer of a text without any mark."""
    whole = said.strip()
    if len(whole) <= final_answer.WHOLE:
        answer = understand(whole)
        one = isinstance(answer, Expression) and not ARITHMETIC.search(whole)
        several = isinstance(answer, Members) and all(
            isinstance(part, Expression) for part in answer.items
        )  # 7 and 8 is no 8
        if one or several if numbers else not isinstance(answer, Words):
            return Found(whole, "whole text")
    formula = final_answer.last_formula(said)
    amount = final_answer.last_amount(said) if numbers else None
    if formula and (amount is None or formula[0] >= amount[0]):
        return formula[1]
    if amount:
        return amount[1]
    return Found(whole, "whole text") if whole and not numbers else NOTHING


def _choice(said: str, gold: str, item: Mapping[str, Any]) -> tuple[bool, Found]:
    right = plain_letter(gold)
    answer = final_answer.marked(said)
    text = WORDED.sub(r"\1", plain((answer.text if answer else said).strip("* "))).strip("{}* ")
    chosen = CHOSEN.match(text if len(text) > 1 else text.upper())
    where = answer.where if answer else "beginning"
    if not chosen and (not answer or text.startswith("not ")):
        others = list(re.finditer(r"\(([A-J])\)|\b([B-J])(?=[.\s]*$)", text))
        chosen, where = (others[-1] if others else None), "last letter"
    if chosen and (
        NOT_ALONE.search(text[: chosen.start(1 if chosen[1] else 2)])
        or ANOTHER.match(text, chosen.end())
    ):
        chosen = None
    if not chosen:
        return False, Found(answer.text, answer.where) if answer else NOTHING
    letter = (chosen[1] or chosen[2]).upper()
    return letter == right, Found(letter, where)


def plain_letter(gold: str) -> str:
    r"""Return the letter of a choice, "" if a gold is none: B, (B), \text{(B)}."""
    letter = LETTER.fullmatch(WORDED.sub(r"\1", gold.strip(" $.")))
    return letter[1] if letter else ""


def _text(said: str, gold: str, item: Mapping[str, Any]) -> tuple[bool, Found]:
    answer = final_answer.marked(said) or Found(said.strip(), "whole text")
    expected, got = _words(gold), _words(answer.text)
    opening = OPENING.match(answer.text)
    if expected in ("yes", "no", "true", "false") and opening:
        return opening[1].lower() == expected, Found(opening[1], answer.where)
    return got == expected, answer if len(answer.text) <= 500 else Found(
        answer.text[:500], answer.where
    )


def _words(text: str) -> str:
    answer = understand(text)
    spelt = answer.text if isinstance(answer, Words) else " ".join(text.casefold().split())
    return re.sub(r"^(?:the|an?)\s+", "", spelt).strip(" .,;:!?\"'`*$")


def _pattern(said: str, gold: str, item: Mapping[str, Any]) -> tuple[bool, Found]:
    """Look for the gold, a regular expression, in the answer; a slow one is not found."""
    import regex

    try:
        match = regex.search(gold, said, timeout=SECONDS)
    except regex.error as e:
        return False, Found("", f"the expression is broken: {e}")
    except TimeoutError:
        return False, Found("", "the expression took too long")
    return match is not None, Found(match[0][:200], "found") if match else NOTHING


def _verified(said: str, gold: str, item: Mapping[str, Any]) -> tuple[bool, Found]:
    """Ask the task's own verifier (reasoning-gym)."""
    import reasoning_gym

    check = reasoning_gym.get_score_answer_fn(item["task"])
    entry = {
        "question": item["prompt"],
        "answer": item["answer"],
        "metadata": json.loads(item["metadata"]),
    }
    answer = Found(said.strip(), "whole text")
    try:
        return bool(check(answer.text, entry) >= EXACT), answer
    except Exception:  # some verifiers fall over nonsense instead of scoring it 0
        return False, answer


def _is_number(gold: str) -> bool:
    answer = understand(gold)
    one = isinstance(answer, Expression) and len(set(answer.amount or answer.values)) == 1
    return one and not ARITHMETIC.search(gold)


def _is_maths(gold: str) -> bool:
    return not isinstance(understand(gold), Words)


MATCHERS: dict[str, Matcher] = {
    "reasoning-gym": Matcher(_verified, lambda gold: False, "the task's own verifier"),
    "regex": Matcher(_pattern, lambda gold: False, "a regular expression is found in the answer"),
    "choice": Matcher(_choice, lambda gold: bool(plain_letter(gold)), "the letter of a choice"),
    "number": Matcher(_number, _is_number, "the same number"),
    "maths": Matcher(_maths, _is_maths, "the same value, formula, set, tuple or interval"),
    "text": Matcher(_text, lambda gold: True, "the same words, case and end marks aside"),
}
"""The first that fits a gold judges its item."""
