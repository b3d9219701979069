"""Test rows that training rows give away are counted, each with the row that does."""

import random

from core.dataset.compared import Compared
from core.dataset.overlap import describe, overlap

WORDS = [f"word{i}" for i in range(900)]


def talk(question, answer):
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def sentences(n, words, seed=0):
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=words)) for _ in range(n)]


def found(test, train):
    compared = Compared([*test, *train])
    return overlap(compared, range(len(test)), range(len(test), len(test) + len(train)))


def test_each_kind_is_told_with_its_row():
    q, a = sentences(10, 30), sentences(10, 30, 1)
    quoted = " ".join(a[3].split()[5:18])
    train = [talk(q[i], a[i]) for i in range(10)]
    test = [
        talk(q[0].upper(), f"{a[0]}."),
        talk(q[1], "Something else."),
        talk(f"{q[2]} please", "Something else again."),
        talk("A question of its own?", f"It is {quoted}, then."),
        talk("New", "Newer"),
    ]
    out = found(test, train)
    assert out.counts() == {
        "items": 5,
        "rows": 10,
        "given_away": 3,
        "copies": 1,
        "prompts": 2,
        "near": 3,
        "ngrams": 4,
    }
    assert out.pairs() == [(0, 0, "copies"), (1, 1, "prompts"), (2, 2, "near"), (3, 3, "ngrams")]
    text = describe(out.counts(), "rows of the pool")
    assert text == (
        "3 of 5 test rows repeat some of the 10 rows of the pool (1 in the same words, 2 asking the "
        "same, 3 nearly the same, 4 with 13 words in a row in common): a score on these says "
        "little about new questions"
    )


def test_wording_that_many_training_rows_have_is_no_overlap():
    (frame,) = sentences(1, 15)
    questions = sentences(11, 80, 1)
    test = [talk(f"{frame} own", "a")]
    some = [talk(f"{frame} {q}", "b") for q in questions]
    assert found(test, some[:10]).counts()["ngrams"] == 1
    assert found(test, some).counts()["ngrams"] == 0


def test_unlike_rows_overlap_in_nothing():
    a = sentences(40, 20)
    out = found([talk(t, "x") for t in a[:20]], [talk(t, "x") for t in a[20:]])
    assert out.counts() == {"items": 20, "rows": 20} | dict.fromkeys(
        ("given_away", "copies", "prompts", "near", "ngrams"), 0
    )
    assert out.pairs() == []
    assert describe(out.counts(), "rows") == describe({}, "rows") == ""


def test_no_rows_at_all():
    assert found([talk("a", "b")], []).counts()["given_away"] == 0
