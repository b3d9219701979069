"""The embedded demo's rows: small reasoning-gym question/answer tasks, deliberately unbalanced.

How the rows are kept apart: reasoning-gym seeds item i of a data set with seed + i, so two data
sets of close seeds share items. Each task is therefore walked once, in order, under one seed, and a
question seen before (case-folded, white space squeezed) is skipped. The first questions become the
test, the next the base model's warm-up, the rest the pool. Six of reasoning-gym's tasks vary with
PYTHONHASHSEED (isomorphic_strings, knight_swap, list_functions, polynomial_multiplication,
ransom_note, word_ladder); none is here.
"""

from __future__ import annotations

import functools
import json
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypedDict

HOLDOUT_PER_TASK = 18
BASE_PER_TASK = 60
WALK = 40_000
"""Items that may be looked at per task; they are made lazily."""

MALE = ["James", "John", "Peter", "Tom"]
FEMALE = ["Mary", "Linda", "Susan", "Anna"]

# name -> (pool rows, configuration); the name is also the reasoning-gym data set
TASKS: dict[str, tuple[int, dict[str, Any]]] = {
    "spiral_matrix": (600, {"min_n": 2, "max_n": 2}),
    "aiw": (  # siblings only; Bob and Alice must be among the names
        420,
        {
            "task_type_weights": [1.0, 0.0, 0.0],
            "male_names": [*MALE, "Bob"],
            "female_names": [*FEMALE, "Alice"],
        },
    ),
    "number_sorting": (
        330,
        {
            "min_numbers": 2,
            "max_numbers": 2,
            "min_decimals": 0,
            "max_decimals": 0,
            "min_value": 0,
            "max_value": 19,
        },
    ),
    "number_filtering": (
        270,
        {
            "min_numbers": 2,
            "max_numbers": 2,
            "min_decimals": 0,
            "max_decimals": 0,
            "min_value": 0,
            "max_value": 9,
        },
    ),
    "syllogism": (230, {}),
    "pool_matrix": (
        200,
        {
            "min_rows": 2,
            "max_rows": 2,
            "min_cols": 2,
            "max_cols": 2,
            "min_pool_size": 2,
            "max_pool_size": 2,
        },
    ),
    "family_relationships": (
        180,
        {"min_family_size": 3, "max_family_size": 3, "male_names": MALE, "female_names": FEMALE},
    ),
    "calendar_arithmetic": (150, {"tasks": ["is_leap_year"], "leap_year_range": 250}),
    "ab": (130, {"length": 4}),
    "binary_matrix": (120, {"min_n": 3, "max_n": 3}),
    "rotate_matrix": (100, {"min_n": 2, "max_n": 2, "min_rotations": 1, "max_rotations": 1}),
    "binary_alternation": (90, {"min_n": 5, "max_n": 7}),
    "manipulate_matrix": (
        80,  # weights go through a softmax, so 0 switches nothing off: 20 makes the mirrors certain
        {
            "min_rows": 2,
            "max_rows": 2,
            "min_cols": 2,
            "max_cols": 2,
            "min_transforms": 1,
            "max_transforms": 1,
            "w_hmirror": 20,
            "w_vmirror": 20,
            "w_dmirror": 0,
            "w_cmirror": 0,
            "w_rotate": 0,
            "w_map": 0,
            "w_crop": 0,
            "w_remove_every_nth_row": 0,
            "w_remove_every_nth_col": 0,
            "w_zero_divisible": 0,
        },
    ),
    "course_schedule": (
        60,
        {
            "min_num_courses": 3,
            "max_num_courses": 4,
            "min_num_prerequisites": 1,
            "max_num_prerequisites": 2,
            "min_cycle_length": 3,
            "max_cycle_length": 3,
        },
    ),
    "simple_equations": (
        60,
        {
            "min_terms": 2,
            "max_terms": 2,
            "min_value": 1,
            "max_value": 9,
            "operators": ("+", "-"),
            "operators_weights": [0.5, 0.5],
        },
    ),
    "largest_island": (
        50,
        {
            "min_rows": 3,
            "max_rows": 3,
            "min_cols": 3,
            "max_cols": 3,
            "max_num_islands": 3,
            "max_island_size": 4,
        },
    ),
    "gcd": (40, {"min_value": 1, "max_value": 20}),
}


class Puzzle(TypedDict):
    """One question, with what the task's own verifier needs."""

    source: str
    question: str
    answer: str
    split: str
    """pool, holdout or base."""
    verifier: str
    task: str
    metadata: str
    """JSON."""


def _between(question: str, start: str, end: str = "") -> str:
    tail = question.split(start, 1)[1]
    return (tail.split(end, 1)[0] if end else tail).strip()


def _pooling(question: str) -> str:
    kind = "Average" if "Perform average pooling" in question else "Max"
    return f"{kind} pooling:\n" + _between(question, "kernel size of 2:")


def _family(question: str) -> str:
    story, ask = question.split("\n\n", 1)
    words = re.findall(r"[A-Z][a-z]+", ask)
    first, second = [word for word in words if word in (*MALE, *FEMALE)][:2]
    return f"{story.strip()} What is {first} to {second}?"


def _leap(question: str) -> str:
    year = re.search(r"\d{3,4}", question)
    return f"Is {year.group() if year else question} a leap year?"


def _mirror(question: str) -> str:
    matrix, operations = question.split("Perform the following series of operations in order:", 1)
    return _between(matrix, "matrix:") + "\n" + operations.split("\n- ")[-1].strip()


def _syllogism(question: str) -> str:
    follows = "Does it logically follow that:"
    statements = _between(question, "Consider these statements:", follows)
    return statements + "\nTherefore: " + _between(question, follows, "(Answer")


# Fixed boilerplate is cut, as it would be most of the tokens; the verifier reads the item.
SHORTEN: dict[str, Callable[[str], str]] = {
    "spiral_matrix": lambda q: "Spiral order of:\n" + _between(q, "spiral order?"),
    "number_sorting": lambda q: q.split("\nPlease follow", 1)[0].strip(),
    "number_filtering": lambda q: q.split("\nReturn the new list", 1)[0].strip(),
    "syllogism": _syllogism,
    "pool_matrix": _pooling,
    "family_relationships": _family,
    "calendar_arithmetic": _leap,
    "ab": lambda q: (
        "A::B: " + _between(q, "consider the following program:", "Return the final state")
    ),
    "binary_matrix": lambda q: "Distance to nearest 0:\n" + _between(q, "in the matrix below:"),
    "rotate_matrix": lambda q: "Rotate right:\n" + _between(q, "by 90 degrees clockwise:"),
    "binary_alternation": lambda q: (
        "Swaps to alternate: " + _between(q, "binary string alternating:")
    ),
    "manipulate_matrix": _mirror,
    "course_schedule": lambda q: (
        "Prerequisites " + _between(q, "take course a_i:", "Return True") + ". Can you finish?"
    ),
    "simple_equations": lambda q: "Solve " + _between(q, ": "),
    "largest_island": lambda q: (
        "Largest island:\n" + _between(q, "binary matrix grid:", "An island is")
    ),
    "gcd": lambda q: "Greatest common divisor of " + _between(q, "these numbers: ", ". Give"),
}


@functools.lru_cache(maxsize=64)
def dataset(source: str, seed: int) -> Any:
    """Return the reasoning-gym data set that a task's rows come from."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import reasoning_gym
    return reasoning_gym.create_dataset(source, size=WALK, seed=seed, **TASKS[source][1])


def normalised(question: str) -> str:
    """Return the form in which two questions are compared."""
    return " ".join(question.casefold().split())


def generate(seed: int) -> Iterator[Puzzle]:
    """Yield all rows, task by task: holdout, base, pool. The same rows in every process."""
    everywhere: set[str] = set()
    for source, (rows, _) in TASKS.items():
        items = dataset(source, seed)
        shorten = SHORTEN.get(source, str.strip)
        seen: set[str] = set()
        kept = HOLDOUT_PER_TASK + BASE_PER_TASK
        for index in range(WALK):
            item = items[index]
            question = shorten(item["question"])
            key = normalised(question)
            if key in seen or not str(item["answer"]).strip():
                continue
            if key in everywhere:
                raise AssertionError(f"{source}: question of another task: {question!r}")
            place = len(seen)
            seen.add(key)
            split = "pool" if place >= kept else "base" if place >= HOLDOUT_PER_TASK else "holdout"
            yield Puzzle(
                source=source,
                question=question,
                answer=str(item["answer"]).strip(),
                split=split,
                verifier="reasoning-gym",
                task=source,
                metadata=json.dumps(item["metadata"], default=str),
            )
            if len(seen) == kept + rows:
                break
        else:
            raise ValueError(f"{source}: only {len(seen)} distinct questions in {WALK:,} items")
        everywhere |= seen
