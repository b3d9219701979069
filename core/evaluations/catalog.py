"""The tests that have a name: what they are called, their public shape, where the hub has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from core.evaluations import shapes
from core.evaluations.shapes import Item, Row


class Evaluation(NamedTuple):
    """A test by name."""

    title: str
    item: Callable[[Row], Item] | None
    """A row as published -> an item; None for a test that is generated."""
    sentence: str
    hub: str = ""
    """owner/name or owner/name:config, read where no file is given; empty: a file must be."""
    pairs: bool = False
    """Whether its text files are lines of question and answer in turn."""
    private: bool = False
    """Whether its texts stay on this machine and out of reports."""


EVALUATIONS = {
    "gsm8k": Evaluation(
        "GSM8K", shapes.gsm8k, "grade-school problems, one number", "openai/gsm8k:main"
    ),
    "math": Evaluation("MATH", shapes.maths, "competition problems, boxed answers"),
    "math500": Evaluation(
        "MATH-500", shapes.maths, "500 problems of MATH's test", "HuggingFaceH4/MATH-500"
    ),
    "numglue": Evaluation("NumGLUE", shapes.numglue, "eight kinds of arithmetic in texts"),
    "svamp": Evaluation(
        "SVAMP", shapes.svamp, "word problems with varied wording", "ChilleD/SVAMP"
    ),
    "mathematics": Evaluation(
        "Mathematics", shapes.mathematics, "DeepMind's generated school maths", pairs=True
    ),
    "simuleq": Evaluation("SimulEq", shapes.simuleq, "systems of equations in words"),
    "choice": Evaluation(
        "Multiple choice", shapes.choice, "the likeliest of the given texts; nothing is generated"
    ),
    "summary": Evaluation(
        "Free text", shapes.summary, "compared with a reference: ROUGE-L, BLEU, BERTScore"
    ),
    "clinical": Evaluation(
        "Clinical summaries",
        shapes.clinical,
        "the impression of a radiology report from its findings; private",
        private=True,
    ),
    "regression": Evaluation(
        "Regression suite", None, "48 generated items, before and after: what was made worse"
    ),
}
"""What stands before = in a test's name -> all that is known of it."""
