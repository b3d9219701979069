"""The holdout is exact, stratified, blind to row order, and nothing in the pool resembles it."""

import collections
import functools
import random

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from core.dataset import holdout, unlike_holdout
from core.dataset.compared import Compared
from core.dataset.groups import groups
from core.dataset.words import words

WORDS = [f"word{i}" for i in range(500)]


def draw(ids, texts, sources, n, seed):
    """Draw from rows that are a reply without a question each."""
    talks = Compared([[{"role": "assistant", "content": text}] for text in texts])
    order = sorted(range(len(ids)), key=ids.__getitem__)
    return holdout.draw(ids, groups(talks, order), sources, n, seed)


both_rules = pytest.mark.parametrize(
    "draw", [draw, unlike_holdout.draw], ids=["today", "before questions were compared"]
)
"""Datasets that were imported by the earlier rule are drawn by it for ever."""


def sentence(rng, n=30):
    return " ".join(rng.choices(WORDS, k=n))


@functools.cache
def shingles(text):
    told = words(text)
    return told, {tuple(told[i : i + 5]) for i in range(len(told) - 4)}


def jaccard(a, b):
    (wa, sa), (wb, sb) = shingles(a), shingles(b)
    return 1.0 if wa == wb else len(sa & sb) / max(len(sa | sb), 1)


@pytest.mark.parametrize(
    ("wanted", "n", "size"),
    [("auto", 99, 0), ("auto", 100, 5), ("auto", 10**6, 1000), ("7", 8, 7), ("0", 1, 0)],
)
def test_size(wanted, n, size):
    assert holdout.size(wanted, n) == size


def test_size_leaves_something_to_train_on():
    with pytest.raises(ValueError, match="leaves no row"):
        holdout.size("8", 8)


@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=60), st.data())
def test_quotas_are_exact_and_proportional(sources, data):
    n = data.draw(st.integers(0, len(sources)))
    got = holdout.quotas(sources, n)
    assert got.total() == n
    for source, count in collections.Counter(sources).items():
        assert abs(got[source] - n * count / len(sources)) < 1
        assert got[source] <= count


@both_rules
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(0, 3))
def test_distinct_texts_give_the_exact_count_per_source(draw, content, n, seed):
    rng = random.Random(content)
    ids = [f"{rng.getrandbits(64):x}" for _ in range(120)]
    texts = [sentence(rng) for _ in ids]
    sources = rng.choices("abc", (6, 3, 1), k=120)
    rows = draw(ids, texts, sources, n, seed)
    assert collections.Counter(sources[i] for i in rows) == +holdout.quotas(sources, n)
    order = rng.sample(range(120), 120)
    again = draw(
        [ids[i] for i in order], [texts[i] for i in order], [sources[i] for i in order], n, seed
    )
    assert {ids[order[i]] for i in again} == {ids[i] for i in rows}


@both_rules
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([4, 12, 60]))
def test_no_test_row_resembles_a_pool_row(draw, content, n, length):
    rng = random.Random(content)
    texts = [sentence(rng, length) for _ in range(60)]
    for _ in range(40):  # copies with up to four words replaced, and the case changed
        words = rng.choice(texts).split()
        for _ in range(rng.randrange(5)):
            words[rng.randrange(len(words))] = rng.choice(WORDS)
        texts.append("  ".join(words).upper() + "!")
    ids = [f"{i:03}" for i in range(len(texts))]
    sources = rng.choices("ab", k=len(texts))
    held = set(draw(ids, texts, sources, n, 0))
    assert len(held) <= n
    for i in held:
        for j in set(range(len(texts))) - held:
            assert jaccard(texts[i], texts[j]) < 0.8, (texts[i], texts[j])
    alone = [
        i
        for i in range(60)
        if all(jaccard(texts[i], t) < 0.8 for j, t in enumerate(texts) if j != i)
    ]
    assert len(held) >= min(n, len(alone))


@both_rules
def test_exact_copies_move_together(draw):
    rng = random.Random(0)
    texts = [sentence(rng) for _ in range(50)]
    held = draw(
        [f"{i:03}" for i in range(100)], texts + [t.title() for t in texts], ["a"] * 100, 10, 0
    )
    assert len(held) == 10
    assert {i % 50 for i in held if i < 50} == {i % 50 for i in held if i >= 50}


@both_rules
def test_a_large_group_of_near_copies_is_replaced_by_others(draw):
    rng = random.Random(0)
    base = sentence(rng, 60)
    texts = [f"{base} {w}" for w in WORDS[:50]] + [sentence(rng) for _ in range(50)]
    sources = ["near"] * 50 + ["far"] * 50
    held = draw([f"{i:03}" for i in range(100)], texts, sources, 20, 0)
    assert len(held) == 20
    assert min(held) >= 50


@both_rules
def test_all_near_copies_give_none(draw):
    texts = [" ".join(WORDS[:60]) + f" {w}" for w in WORDS[:100]]
    assert draw([f"{i:03}" for i in range(100)], texts, ["a"] * 100, 5, 0) == []
