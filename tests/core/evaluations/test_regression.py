"""The regression suite: the same items always, each right for its own answer, changes in words."""

import collections

import pytest

from core.evaluations.regression import EACH, Change, changes, items, sentence
from core.finetune.answers import judge


def test_the_suite_is_a_dozen_of_each_kind_and_the_same_always():
    found = items()
    assert found == items()
    assert collections.Counter(i.source for i in found) == dict.fromkeys(
        ("arithmetic", "choice", "copying", "format"), EACH
    )
    assert len({(i.question, i.answer) for i in found}) == len(found)


ANSWERS = {
    "JSON": lambda q: '{"' + q.split('"')[1] + '": 1}',
    "a line each": lambda q: "\n".join((q.split()[3], q.split()[5].strip(","))),
    "capital": lambda q: q.split()[1].upper() + ".",
}


@pytest.mark.parametrize("item", [i for i in items() if not i.choices], ids=lambda i: i.source)
def test_a_right_answer_is_judged_right_and_another_wrong(item):
    said = next((say(item.question) for mark, say in ANSWERS.items() if mark in item.question), "")
    right = said if item.verifier == "regex" else item.answer
    how = {"verifier": item.verifier}
    assert judge(right, item.answer, item=how).right
    assert not judge("apple river moon 77", item.answer, item=how).right


def test_choices_have_their_answer_once():
    for item in items():
        if item.choices:
            assert item.choices.count(item.answer) == 1
            assert all(choice in item.question for choice in item.choices)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            {"copying": 9, "format": 2},
            {"copying": 3, "format": 2},
            "copying (3 of 12 right, 9 before)",
        ),
        ({"copying": 3}, {"copying": 9}, "nothing of the regression suite worse"),
        ({}, {"copying": 9}, "can show nothing"),
    ],
)
def test_what_was_made_worse_is_said_with_its_counts(before, after, words):
    found = changes(before, after)
    assert found[2] == Change("copying", before.get("copying", 0), after["copying"], EACH)
    assert words in sentence(found)
