"""Where a solution says its final answer."""

import pytest

from core.finetune.final_answer import (
    cut,
    last_amount,
    last_formula,
    marked,
    one_amount,
    without_thoughts,
)


@pytest.mark.parametrize(
    ("text", "answer", "where"),
    [
        (r"so \boxed{\frac{1}{2}} it is", r"\frac{1}{2}", "in a box"),
        ("work\n#### 42\nmore", "42", "after ####"),
        ("The answer is 7. Done", "7", "after 'answer'"),
        (r"the answer is 3, no: \boxed{4}", "4", "in a box"),
        (r"\boxed{1} then #### 2", "2", "after ####"),
    ],
)
def test_the_last_mark_counts(text, answer, where):
    assert marked(text) == (answer, where)


def test_without_a_mark_there_is_nothing_and_praise_is_no_answer():
    assert marked("so it is 5") is None
    assert marked("our answer is correct") == ("correct", "after 'answer'")
    assert marked("our answer is correct", digits=True) is None


def test_a_next_question_and_a_turn_written_out_are_cut_off():
    assert cut("4\nQuestion: what is 3+3?\n6") == ("4", True)
    assert cut("4</s>") == ("4", True)
    assert cut("4\nfoo: 5", ("foo:",)) == ("4", True)
    assert cut("4 apples") == ("4 apples", False)


def test_thoughts_are_left_out_and_those_that_never_end_leave_nothing():
    assert without_thoughts("<think>2</think>4") == "4"
    assert without_thoughts("2</think>4") == "4"
    assert without_thoughts("<think>2 and 3") == ""


def test_the_last_formula_and_number():
    assert last_formula("$1$ and $x+1$.")[1].text == "x+1"
    assert last_formula("no formula") is None
    assert last_amount("from 3 to 1,200 days")[1].text == "1,200"
    assert last_amount("at 12:30")[1].text == "12:30"


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("18 apples", "18"),
        ("18 apples, 18", "18"),
        ("$10 and 5 cents", ""),
        ("between 3 and 4", ""),
        ("12 in 3 days", "12"),
    ],
)
def test_a_short_text_says_one_number_or_none(text, amount):
    assert one_amount(text).strip("$") == amount
