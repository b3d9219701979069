"""Answers that are programs, which are not compared."""

import pytest

from core.evaluations.programs import is_program


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("```python\nx = 2\n```", True),
        ("x = 3\nprint(x)", True),
        ("def f(a):\n    return a", True),
        ("from math import sqrt", True),
        ("import duties are 5%", False),
        ("He will print(ed) 3 books. #### 3", False),
        ("x = 5", False),
    ],
)
def test_programs_are_told_from_answers(text, program):
    assert is_program(text) == program
