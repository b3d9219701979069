"""Public shapes of test sets: rows as their authors publish them become items.

A new shape is one function and one row in `core.evaluations.catalog`. A row that is no item is left
out with its reason. Programs among the answers are counted and never run.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.dataset import radiology
from core.dataset.cells import missing, structure, text
from core.dataset.readers import SkippedRow
from core.evaluations.programs import is_program

Row = Mapping[str, Any]

QUESTION = ("question", "problem", "instruction", "query", "prompt", "input", "question_concat")
ANSWER = ("answer", "final_answer", "gold", "output answer", "lsolutions", "ans", "target")
SOLUTION = ("solution", "output", "response", "rationale", "explanation")
SOURCE = ("source", "subject", "topic", "type", "level", "dataset")
PROGRAM = ("program", "output program", "python_program")
CALCULATOR = re.compile(r"<<[^<>]*>>")
"""GSM8K's marks for a calculator."""
BYTES = re.compile(r"^b(['\"])(.*)\1$", re.DOTALL)
OPTION = re.compile(r"option\s*_?(\d+)")
LETTERED = re.compile(r"^\s*\(?([A-Za-z])\s*[).:]\s*(.*)$", re.DOTALL)


class Item(NamedTuple):
    """A test item."""

    question: str
    answer: str
    """What is right: of a choice its text."""
    solution: str = ""
    """A worked answer, whose loss is measured; the answer itself where there is none."""
    source: str = ""
    choices: tuple[str, ...] = ()
    """Where the likeliest of some texts is the answer."""
    measure: str = ""
    """"choice", "text" (compared by n-grams), or as the answer asks."""
    verifier: str = ""
    """A key of MATCHERS, where the answer does not say it."""
    program: bool = False
    """Whether its gold is, or comes with, a program."""


def asked(row: Row) -> Item:
    """Return a question and its answer, whatever their columns are called."""
    answer = _listed(_cell(row, ANSWER))
    solution = text(_cell(row, SOLUTION)) or (answer if len(answer) > 200 else "")
    if not (answer or solution):
        raise SkippedRow("no answer")
    return _item(row, text(_cell(row, QUESTION)), answer or solution, solution)


def gsm8k(row: Row) -> Item:
    """Return an item of GSM8K: its answer is a solution that ends in #### and a number."""
    item = asked(row)
    solution = CALCULATOR.sub("", item.solution if "####" in item.solution else item.answer)
    if "####" not in solution:
        return item
    return item._replace(answer=solution.rpartition("####")[2].strip(), solution=solution)


def maths(row: Row) -> Item:
    """Return an item of MATH: problem, solution with a box, and in MATH-500 its answer."""
    return asked(row)


def svamp(row: Row) -> Item:
    """Return an item of SVAMP: the body, then the question; its equation is no answer."""
    body = text(_cell(row, ("body",))).strip()
    if not body:
        return asked(row)
    body += "" if body.endswith((".", "!", "?", ",")) else "."
    answer = _whole(text(_cell(row, ("answer",))))
    if not answer:
        raise SkippedRow("no answer")
    return _item(row, f"{body} {text(_cell(row, ('question',))).strip()}", answer)


def numglue(row: Row) -> Item:
    """Return an item of NumGLUE: eight tasks with columns of their own, or question and answer."""
    kind = text(_cell(row, ("type",)))
    if statement := text(_cell(row, ("statement1",))):
        asks = text(_cell(row, ("options",))).strip(" ?\n")
        question = f"{statement}\n{text(_cell(row, ('statement2',)))}\n{asks}?"
    else:
        options = sorted(
            (int(m[1]), text(cell))
            for name, cell in row.items()
            if (m := OPTION.fullmatch(name.lower()))
        )
        parts = [text(_cell(row, ("passage",))), text(_cell(row, QUESTION))]
        parts += [f"Option {n}: {said}" for n, said in options]
        question = "\n".join(filter(None, parts))
    answer = _numglue_answer(structure(_cell(row, ANSWER)))
    if not answer:
        raise SkippedRow("no answer")
    return _item(row, question, answer)._replace(source=f"numglue {kind}".strip())


def _numglue_answer(answer: Any) -> str:
    """Return an answer: a number, a date or spans of a text, as DROP has them."""
    if not isinstance(answer, dict):
        return _listed(answer)
    date = answer.get("date") or {}
    parts = [text(date.get(part)) for part in ("day", "month", "year")]
    spans = [text(span) for span in answer.get("spans") or []]
    return text(answer.get("number")) or " ".join(filter(None, parts)) or ", ".join(spans)


def mathematics(row: Row) -> Item:
    """Return an item of the Mathematics Dataset, whose hub copy prints its texts as bytes."""
    question, answer = (_unprinted(text(_cell(row, names))) for names in (QUESTION, ANSWER))
    if not answer:
        raise SkippedRow("no answer")
    return _item(row, question, answer)


def simuleq(row: Row) -> Item:
    """Return an item of SimulEq: its solutions are a set, its equations no answer."""
    question = text(_cell(row, ("squestion", *QUESTION)))
    answer = _listed(_cell(row, ANSWER))
    if not answer:
        raise SkippedRow("no answer")
    return _item(row, question, answer)


def choice(row: Row) -> Item:
    """Return a multiple-choice item; the likelihood of each choice's own text is compared."""
    choices, labels = _choices(row)
    if len(choices) < 2:
        raise SkippedRow("fewer than two choices")
    gold = _cell(row, ("answerkey", "label", "correct", "correct option", "answer", "gold"))
    at = _place(gold, choices, labels)
    question = text(_cell(row, ("ctx", "goal", *QUESTION, "sentence")))
    item = _item(row, question, choices[at], choices[at])
    return item._replace(choices=tuple(choices), measure="choice")


def _choices(row: Row) -> tuple[list[str], list[str]]:
    """Return the choices of a row and their labels."""
    listed = structure(_cell(row, ("choices", "options", "endings", "mc1_targets")))
    if isinstance(listed, dict) and isinstance(listed.get("text"), list):
        labels = listed.get("label") or []
        return [text(t) for t in listed["text"]], [text(label) for label in labels]
    if isinstance(listed, dict):
        return [text(t) for t in listed.values()], [str(label) for label in listed]
    if isinstance(listed, list):
        texts = [text(t) for t in listed]
        lettered = [LETTERED.match(t) for t in texts]
        if all(lettered):  # AQuA: "A)21"
            return [m[2] for m in lettered if m], [m[1] for m in lettered if m]
        return texts, list(string.ascii_uppercase[: len(texts)])
    numbered = ("choice", "option", "sol", "ending")
    cells = {n.lower(): c for n, c in row.items() if n.lower().rstrip("0123456789") in numbered}
    return [text(cells[name]) for name in sorted(cells)], []


def _place(gold: Any, choices: Sequence[str], labels: Sequence[str]) -> int:
    """Return which choice is right, given by label, by number from 0 or by its text."""
    named = text(gold).strip()
    for names in (labels, choices):
        if named in names:
            return list(names).index(named)
    if named.upper() in labels:
        return list(labels).index(named.upper())
    if named.isdecimal() and int(named) < len(choices):
        return int(named)
    raise SkippedRow("the answer names none of the choices")


def summary(row: Row) -> Item:
    """Return a text to be summarised, or answered freely, and a reference."""
    names = ("article", "document", "dialogue", "findings", *QUESTION, "text", "inputs", "source")
    gold = ("summary", "highlights", "impression", "reference", "targets", *SOLUTION, *ANSWER)
    reference = text(_cell(row, ("completion", *gold)))
    if not reference.strip():
        raise SkippedRow("no reference")
    item = _item(row, text(_cell(row, names)), reference, reference)
    source = "" if item.source == item.question else item.source
    return item._replace(measure="text", source=source)


def clinical(row: Row) -> Item:
    """Return the findings of a radiology report as a question, its impression as the reference."""
    cells = {name.strip().lower(): cell for name, cell in row.items()}
    report = radiology.read(cells)
    source = text(cells.get("description")).strip()[:80] or "radiology"
    return Item(report.prompt, report.impression, report.impression, source, measure="text")


def _item(row: Row, question: str, answer: str, solution: str = "") -> Item:
    if not question.strip():
        raise SkippedRow("no question")
    program = bool(_listed(_cell(row, PROGRAM))) or is_program(solution or answer)
    source = _cell(row, SOURCE)
    named = source if isinstance(source, str) and len(source) <= 80 else ""
    return Item(question, answer.strip(), solution, named, program=program)


def _cell(row: Row, names: Sequence[str]) -> Any:
    """Return the first cell that is there, of columns by any of these names."""
    cells = {name.strip().lower(): cell for name, cell in row.items()}
    for name in names:
        cell = cells.get(name)
        if not (missing(cell) or (isinstance(cell, str) and not cell.strip())):
            return cell
    return None


def _listed(cell: Any) -> str:
    """Return an answer; of several all, in a list whose order does not count."""
    listed = structure(cell)
    if isinstance(listed, list):
        return ", ".join(_whole(text(part)) for part in listed if not missing(part))
    return _whole(text(listed) if isinstance(listed, int | float) else text(cell))


def _whole(number: str) -> str:
    """Return 5.0 as 5, as people write it."""
    return number[:-2] if re.fullmatch(r"-?\d+\.0", number) else number


def _unprinted(printed: str) -> str:
    match = BYTES.match(printed.strip())
    plain = match[2].replace("\\n", "\n").replace("\\'", "'") if match else printed
    return plain.strip()
