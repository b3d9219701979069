"""What is kept of each answer, in generations.jsonl: all that its verdict stands on."""

from __future__ import annotations

import collections
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.dataset.privacy import HIDDEN
from core.evaluations.choice import Chosen
from core.evaluations.programs import is_program
from core.finetune.answers import NO_GOLD, judge
from core.finetune.artifact import Counts, Generation
from core.finetune.generate import Answered

TEXTS = ("prompt", "asked", "answer", "said", "extracted")
"""What of it is a text."""
LIKELIHOOD = "likelihood"
"""Matcher of a choice: nothing was said that could be judged again."""
LIKE_MATHS = re.compile(r"[\\\d]")


def judged_answer(entry: dict[str, Any], said: Answered, stops: tuple[str, ...]) -> Generation:
    """Return what is kept of one answer: all that a person needs to check its verdict."""
    gold = str(entry["answer"] or "")
    verdict = judge(said.text, gold, item=entry, stops=stops)
    as_is = judge(said.text, gold, item=entry, first_answer_only=False)
    return {
        "id": entry["id"],
        "source": entry["source"],
        "prompt": entry["prompt"],
        "asked": said.prompt,
        "answer": gold,
        "said": said.text,
        "right": verdict.right,
        "right_as_is": as_is.right,
        "extracted": verdict.extracted,
        "where": verdict.where,
        "matcher": verdict.matcher,
        "ran_on": verdict.ran_on,
        "at_limit": said.at_limit,
        "program": is_program(said.text),
    }


def chosen_answer(entry: dict[str, Any], asked: str, choices: list[str], one: Chosen) -> Generation:
    """Return what is kept of a choice by likelihood, as `judged_answer` does of an answer."""
    gold = choices.index(entry["answer"]) if entry["answer"] in choices else -2
    said = choices[one.likeliest] if one.likeliest >= 0 else ""
    right = one.likeliest == gold
    return {
        "id": entry["id"],
        "source": entry["source"],
        "prompt": entry["prompt"],
        "asked": asked,
        "answer": str(entry["answer"] or ""),
        "said": said,
        "right": right,
        "right_as_is": right,
        "right_by_length": one.by_length == gold,
        "likelihoods": [round(x, 4) if np.isfinite(x) else None for x in one.likelihoods],
        "extracted": said,
        "where": "the likeliest choice" if said else "a choice does not fit into the model",
        "matcher": LIKELIHOOD,
        "ran_on": False,
        "at_limit": False,
        "program": False,
    }


def counts(generations: list[Generation]) -> Counts:
    """Count how answers ended and how they were judged."""
    if not generations:
        return {}
    by_matcher = collections.Counter(g["matcher"] for g in generations).most_common()
    one = len(by_matcher) == 1
    return {
        "matcher": by_matcher[0][0] if one else ", ".join(f"{m} {n:,}" for m, n in by_matcher),
        "answered": len(generations),
        "ran_on": sum(g["ran_on"] for g in generations),
        "at_limit": sum(g["at_limit"] for g in generations),
        "right_as_is": sum(g["right_as_is"] for g in generations),
        "no_gold": sum(g["where"] == NO_GOLD for g in generations),
        "unread_golds": sum(_is_unread(g) for g in generations),
        "programs": sum(g["program"] for g in generations),
    }


def _is_unread(answer: Generation) -> bool:
    """Return whether a gold looks like maths and could only be compared as text, or is broken."""
    gold = answer["answer"]
    like_maths = answer["matcher"] == "text" and len(gold) <= 80 and LIKE_MATHS.search(gold)
    return bool(like_maths) or answer["where"].startswith("the expression is broken")


def without_texts(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return records of a private test: what was judged how, and no text."""
    return [{**r, **{key: HIDDEN for key in TEXTS if r.get(key)}} for r in records]
