import json

import pytest

from core.finetune.answers import MATCHERS, extract_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (r"so \boxed{42}.", "42"),
        (r"first \boxed{1}, then \boxed{\frac{1}{2}}", "1/2"),
        (r"\boxed{\sqrt{2}}", r"\sqrt{2}"),
        (r"\boxed{1,234}", "1234"),
        (r"\boxed{3", "3"),
        ("He has 3 + 4 = 7\n#### 7", "7"),
        ("#### 1,234,567", "1234567"),
        ("#### $72.50", "72.5"),
        ("#### 72 apples", "72"),
        ("#### -3", "-3"),
        ("The answer is 1,234.50 dollars.", "1234.5"),
        ("3.0", "3"),
        ("0.50", "0.5"),
        (".5", "0.5"),
        ("100", "100"),
        ("It is 12.", "12"),
        ("either 2,3,4", "4"),
        ("10-5", "5"),
        ("x = -5", "-5"),
        ("x = \u22125", "-5"),
        ("about 1/2", "1/2"),
        ("12%", "12"),
        ("no number", ""),
        ("", ""),
    ],
)
def test_extract_number(text, number):
    assert extract_number(text) == number


@pytest.mark.parametrize(
    ("said", "answer", "right"),
    [
        ("the answer is 7", "7", True),
        ("7.0", "7", True),
        ("0.5", "1/2", True),
        (r"\boxed{\dfrac{1}{2}}", "0.5", True),
        ("1,000", "1000", True),
        ("8", "7", False),
        ("", "7", False),
        ("7/0", "7", False),
        (r"\boxed{x+1}", r"\boxed{x + 1}", True),
        ("Yes", "yes", True),
        ("12 yes", "yes", False),
    ],
)
def test_numbers_match_by_value(said, answer, right):
    assert MATCHERS["number"].right(said, {"answer": answer}) is right


def test_texts_match_but_for_case_and_spaces():
    match = MATCHERS["text"].right
    assert match(" The  Blue\nMoon ", {"answer": "the blue moon"})
    assert not match("the blue", {"answer": "the blue moon"})


def test_the_tasks_own_verifier():
    import reasoning_gym

    item = reasoning_gym.create_dataset("number_sorting", size=1, seed=0)[0]
    entry = {
        "task": "number_sorting",
        "prompt": item["question"],
        "answer": item["answer"],
        "metadata": json.dumps(item["metadata"], default=str),
    }
    match = MATCHERS["reasoning-gym"].right
    assert match(item["answer"] + "\n", entry)
    for nonsense in ("", "no", "[", "['1'", "\x00", "9" * 5000, "__import__('os')"):
        assert not match(nonsense, entry)
