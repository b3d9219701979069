"""Rows that give each other away form a group; what many rows share by nature does not join them."""

import random

import pytest

from core.dataset.compared import Compared
from core.dataset.examples import Examples
from core.dataset.groups import groups
from core.dataset.tables import as_table

WORDS = [f"word{i}" for i in range(900)]


def talk(*said, system=""):
    """Turns of a user and an assistant, in turn."""
    turns = [{"role": "system", "content": system}] if system else []
    roles = ("user", "assistant") * len(said)
    return turns + [{"role": r, "content": t} for r, t in zip(roles, said, strict=False)]


def grouped(talks):
    """The groups as sets of rows, those of one row left out."""
    out = {}
    for row, group in enumerate(groups(Compared(talks), range(len(talks)))):
        out.setdefault(group, set()).add(row)
    return [rows for rows in out.values() if len(rows) > 1]


def texts(n, words, seed=0):
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=words)) for _ in range(n)]


def test_unlike_rows_stand_alone():
    questions, answers = texts(50, 12, 1), texts(50, 30, 2)
    assert grouped([talk(q, a) for q, a in zip(questions, answers, strict=True)]) == []


def test_answers_to_one_question_move_together_however_it_is_written():
    one, two, three = texts(3, 40)
    assert grouped(
        [talk("What is 3 + 4?", one), talk("what is  3+4", two), talk("What is 3 + 5?", three)]
    ) == [{0, 1}]


def test_short_questions_are_questions():
    sums = [talk(f"{a}+{b}=", f"{a + b}") for a in range(5) for b in range(5)]
    assert grouped([*sums, talk("3 + 4 =", "It is seven.")]) == [{19, 25}]


def test_prefixes_and_branches_of_one_conversation_move_together():
    question, reply, other, more, end, fresh = texts(6, 20)
    assert grouped(
        [
            talk(question, reply),
            talk(question, reply, more, end),
            talk(question, other, "Why?", end),
            talk(fresh, other),
        ]
    ) == [{0, 1, 2}]


def test_near_copies_of_a_question_move_together_whatever_is_answered():
    (question,), answers = texts(1, 30), texts(3, 60, 1)
    assert grouped(
        [talk(question, answers[0]), talk(f"{question} please", answers[1]), talk("Why?", "So.")]
    ) == [{0, 1}]


def test_a_question_asked_later_in_a_conversation_is_met():
    question, opening, reply, answer, other = texts(5, 15)
    assert grouped([talk(opening, reply, question, answer), talk(question, other)]) == [{0, 1}]


def test_a_greeting_joins_nothing():
    questions, answers = texts(30, 12, 1), texts(30, 30, 2)
    talks = [talk("Hi!", "Hello.", q, a) for q, a in zip(questions, answers, strict=True)]
    assert grouped(talks) == []


def test_an_instruction_of_all_rows_joins_nothing():
    documents, answers = texts(60, 40, 1), texts(60, 30, 2)
    ask = "Summarize the text above in one short paragraph, in plain words, for a child."
    for question in ("Summarize:", ask):
        talks = [talk(question, a, system=d) for d, a in zip(documents, answers, strict=True)]
        assert grouped([*talks, talk(question, "Another.", system=documents[7])]) == [{7, 60}]
        assert grouped([talk(question, a) for a in answers]) == []
    begun = [talk(ask, "Yes, gladly.", d, a) for d, a in zip(documents, answers, strict=True)]
    assert grouped(begun) == []


def test_words_of_a_shared_instruction_do_not_make_questions_near_duplicates():
    (frame,), answers = texts(1, 60), texts(200, 60, 1)
    talks = [talk(f"{frame} item {i}", a) for i, a in enumerate(answers)]
    assert grouped(talks) == []


def test_a_persona_in_the_system_turn_hides_no_question():
    question, *answers = texts(4, 20)
    assert grouped([talk(question, a, system=f"You are {a}") for a in answers]) == [{0, 1, 2}]


def test_test_items_without_a_reply_are_met_by_their_question():
    question, answer = texts(2, 8)
    assert grouped([talk(question), talk(question.upper(), answer)]) == [{0, 1}]


@pytest.mark.parametrize("talks", [[], [talk("a", "b")], [talk("", "")] * 2])
def test_few_and_empty_rows(talks):
    assert len(groups(Compared(talks), range(len(talks)))) == len(talks)


def test_calls_of_tools_are_part_of_what_is_said():
    def calling(city):
        call = {
            "type": "function",
            "function": {"name": "look", "arguments": f'{{"at": "{city}"}}'},
        }
        asked = {"role": "user", "content": "Weather?"}
        return [asked, {"role": "assistant", "content": "", "tool_calls": [call]}]

    talks = [calling("Oslo"), calling("Rome"), calling("Oslo")]
    compared = Compared(talks)
    assert compared.whole[0] == compared.whole[2] != compared.whole[1]
    table = as_table(Examples([0, 1, 2], talks, ["all"] * 3, [None] * 3))
    stored = Compared()
    stored.add_stored(table["messages"].chunk(0), table["extras"].chunk(0))
    assert (stored.finish().whole == compared.whole).all()
