"""Choices of a question as lines of its prompt."""

import pytest

from core.dataset.choices import from_one, listed, names_one
from core.dataset.readers import SkippedRow


@pytest.mark.parametrize(
    ("choices", "answer", "lines"),
    [
        (["red", "blue"], "blue", "A. red\nB. blue"),
        (["red", "blue"], 1, "0. red\n1. blue"),
        (["A) red", "B) blue"], "A", "A) red\nB) blue"),
        ({"text": ["red", "blue"], "label": ["1", "2"]}, "2", "1. red\n2. blue"),
        ({"A": "red", "B": "blue", "C": None}, "B", "A. red\nB. blue"),
        ('["red", "blue"]', "red", "A. red\nB. blue"),
        (["3", "4"], "4", "A. 3\nB. 4"),
        (None, "red", ""),
    ],
)
def test_labels_are_those_that_the_answer_names(choices, answer, lines):
    assert listed(choices, answer) == lines


def test_a_number_that_names_no_choice_skips_the_row():
    assert listed(["red", "blue"], 2, first=1) == "1. red\n2. blue"
    with pytest.raises(SkippedRow, match="names none of the choices"):
        listed(["red", "blue"], 2)


@pytest.mark.parametrize(
    ("answers", "one"), [([1, 2, 2], True), ([0, 1, 2], False), ([1, 1, 1], False)]
)
def test_choices_are_counted_from_1_where_an_answer_names_the_last_and_none_0(answers, one):
    assert from_one([["red", "blue"]] * 3, answers) is one


def test_an_answer_names_a_choice_by_label_number_or_text():
    assert all(names_one(["red", "blue"], said) for said in ("(B)", "1", "blue"))
    assert not names_one(["red", "blue"], "green")
