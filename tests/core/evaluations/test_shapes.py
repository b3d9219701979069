"""Public shapes of test sets, a few rows as their authors publish them (invented content)."""

import pytest

from core.dataset.readers import SkippedRow
from core.evaluations import shapes
from core.evaluations.catalog import EVALUATIONS

ROWS = [
    (
        "gsm8k",
        {"question": "Two and two?", "answer": "2 + 2 = <<2+2=4>>4\n#### 4"},
        ("Two and two?", "4", "2 + 2 = 4\n#### 4"),
    ),
    (
        "gsm8k",
        {"instruction": "Two?", "output": "It is 2.\n#### 2", "answer": "2", "source": "x"},
        ("Two?", "2", "It is 2.\n#### 2"),
    ),
    (
        "math",
        {"problem": "Half?", "level": "Level 2", "type": "Algebra", "solution": r"\boxed{\frac12}"},
        ("Half?", r"\boxed{\frac12}", r"\boxed{\frac12}"),
    ),
    (
        "math500",
        {"problem": "Half?", "solution": r"So \boxed{.5}", "answer": ".5", "subject": "Algebra"},
        ("Half?", ".5", r"So \boxed{.5}"),
    ),
    (
        "svamp",
        {"ID": "1", "Body": "Ann has 3 pens", "Question": "How many?", "Answer": 3.0, "Type": "x"},
        ("Ann has 3 pens. How many?", "3", ""),
    ),
    (
        "numglue",
        {"question": "Which?", "Option 1": "iron", "Option 2": "wood", "answer": "Option 1"},
        ("Which?\nOption 1: iron\nOption 2: wood", "Option 1", ""),
    ),
    (
        "numglue",
        {
            "passage": "It was 5 yards.",
            "question": "How far?",
            "type": "Type_5",
            "answer": {"number": "5", "date": {"day": "", "month": "", "year": ""}, "spans": []},
        },
        ("It was 5 yards.\nHow far?", "5", ""),
    ),
    (
        "numglue",
        {"passage": "P.", "question": "Who?", "answer": {"number": "", "spans": ["Ann", "Bob"]}},
        ("P.\nWho?", "Ann, Bob", ""),
    ),
    (
        "numglue",
        {
            "statement1": "Six came.",
            "statement2": "Five came.",
            "options": " Entailment or contradiction or neutral?",
            "answer": "contradiction",
            "type": "Type_7",
        },
        ("Six came.\nFive came.\nEntailment or contradiction or neutral?", "contradiction", ""),
    ),
    (
        "mathematics",
        {"question": "b'Solve 2*x = 4.\\n'", "answer": "b'2\\n'"},
        ("Solve 2*x = 4.", "2", ""),
    ),
    (
        "simuleq",
        {"sQuestion": "Sum 43, difference 9?", "lEquations": ["x+y=43"], "lSolutions": [26.0, 17]},
        ("Sum 43, difference 9?", "26, 17", ""),
    ),
    (
        "simuleq",
        {"Input": "Sum?", "Output Answer": ["7"], "Output Program": ["print(3+4)"]},
        ("Sum?", "7", ""),
    ),
]


@pytest.mark.parametrize(("name", "row", "wanted"), ROWS)
def test_a_row_as_published(name, row, wanted):
    item = EVALUATIONS[name].item(row)
    assert (item.question, item.answer, item.solution) == wanted
    assert item.program == ("Output Program" in row)


CHOICES = [
    {"question": "Q?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B"},
    {"question": "Q?", "choices": ["a", "b"], "answer": 1},
    {"ctx": "Q?", "endings": ["a", "b"], "label": "1"},
    {"question": "Q?", "options": ["A)a", "B)b"], "correct": "B"},
    {"question": "Q?", "options": "['a', 'b']", "answer": "b"},
    {"goal": "Q?", "sol1": "a", "sol2": "b", "label": 1},
]


@pytest.mark.parametrize("row", CHOICES)
def test_choices_in_their_public_shapes(row):
    item = shapes.choice(row)
    assert (item.question, item.choices, item.answer) == ("Q?", ("a", "b"), "b")
    assert item.measure == "choice"


@pytest.mark.parametrize(
    ("name", "row", "why"),
    [
        ("gsm8k", {"question": "Q?", "answer": " "}, "no answer"),
        ("svamp", {"Body": "B.", "Question": "Q?", "Answer": None}, "no answer"),
        ("numglue", {"question": "Q?", "answer": {"number": "", "spans": []}}, "no answer"),
        ("mathematics", {"question": "", "answer": "2"}, "no question"),
        ("choice", {"question": "Q?", "choices": ["a"], "answer": 0}, "fewer than two"),
        ("choice", {"question": "Q?", "choices": ["a", "b"], "answer": "c"}, "none of the choices"),
        ("summary", {"document": "long", "summary": ""}, "no reference"),
    ],
)
def test_what_is_no_item_has_a_reason(name, row, why):
    with pytest.raises(SkippedRow, match=why):
        EVALUATIONS[name].item(row)
