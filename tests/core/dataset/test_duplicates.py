"""What is called a near-duplicate is the same for the holdout and for --dedup near."""

import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.dataset import duplicates, holdout
from core.dataset.compared import Compared
from core.dataset.groups import groups
from core.dataset.shingles import Texts
from core.dataset.words import words
from core.selection.filters import Filters, leave_out

WORDS = ["one", "Two,", "three", "vier!", "fünf", "x+1", "中文", "ok中", "カナ", "--", "한", "_"]


def alike(a, b):
    """Compare two texts as the definition has it, with sets of tuples."""
    a, b = words(a), words(b)
    if a == b:
        return True
    a, b = ({tuple(w[i : i + 5]) for i in range(len(w) - 4)} for w in (a, b))
    return bool(a | b) and 5 * len(a & b) >= 4 * len(a | b)


def near_copies(seed, length, n=14):
    """Make texts and copies of them with a few words changed, punctuated or left out."""
    rng = random.Random(seed)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(0, length))) for _ in range(n)]
    for _ in range(n):
        words = rng.choice(texts).split()
        for _ in range(rng.randrange(3)):
            if words:
                words[rng.randrange(len(words))] = rng.choice([*WORDS, "", "..."])
        texts.append(
            rng.choice(["  ", " ", ", "]).join(words).upper() + rng.choice(["", "?", "\n"])
        )
    rng.shuffle(texts)
    return texts


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from([3, 6, 9, 40]))
def test_all_call_the_same_texts_near_duplicates(tmp_path_factory, seed, length):
    texts = near_copies(seed, length)
    n = len(texts)
    pairs = np.array([[alike(a, b) for b in texts] for a in texts])

    path = tmp_path_factory.mktemp("texts") / "examples.parquet"
    frame = pd.DataFrame({"row": range(n), "prompt": "", "response": texts})
    frame["messages"] = [[{"role": "assistant", "content": text}] for text in texts]
    frame.to_parquet(path)
    ids = np.array([f"{i:03}" for i in range(n)], object)
    none = np.zeros(0, np.int64)
    out = leave_out(Filters(dedup="near"), np.ones(n, bool), ids, none, path, none)
    stays = []
    for row in range(n):
        if not pairs[row, stays].any():
            stays.append(row)
    assert sorted(set(range(n)) - set(np.concatenate([none, *out.values()]).tolist())) == stays

    together = groups(Compared(frame["messages"]), range(n))
    held = set(holdout.draw(ids.tolist(), together, ["a"] * n, n - 1, seed))
    rest = sorted(set(range(n)) - held)
    assert not pairs[np.ix_(sorted(held), rest)].any(), "nothing in the pool resembles a test row"
    same = np.array([[words(a) == words(b) for b in texts] for a in texts])
    apart = {i for i in range(n) if (pairs[i] == same[i]).all() and same[i].sum() == 1}
    assert held >= apart or len(held) == n - 1, "and whatever resembles nothing can be held out"


def test_many_texts_that_share_a_frame_are_judged_exactly():
    """Three of ten shingles are their own, so that all meet in the index and none is alike."""
    frame = " ".join(f"common{i}" for i in range(30))
    texts = [f"{frame} own{i} mine{i} also{i} {i}" for i in range(300)]
    texts += [f"{texts[7]} and", f"{texts[9].upper()}!"]
    numbered = Texts.of(texts)
    found = duplicates.repeating(numbered, np.arange(302))
    expected = [any(alike(a, b) for b in texts[:i]) for i, a in enumerate(texts)]
    assert found == expected


def test_words():
    assert words("It's 2+3,\tOK_") == ["it", "s", "2", "3", "ok"]
    assert words("ÄRA  ära!") == ["ära", "ära"]
    assert words("中文ok") == ["中", "文", "ok"]
    assert words("+++ ---") == ["+++", "---"]


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_repeats_nothing(n):
    assert duplicates.repeating(Texts.of(["a b"] * n), np.arange(n)) == [False] * n


def test_only_the_rows_that_are_asked_for_are_taken_apart(tmp_path):
    frame = pd.DataFrame({"row": range(6), "prompt": "", "response": "a"})
    frame["messages"] = [[{"role": "assistant", "content": "one and the same"}]] * 6
    frame["extras"] = ["not read", None, "not read", None, "not read", "not read"]
    frame.to_parquet(tmp_path / "examples.parquet")
    found = duplicates.near_duplicates(tmp_path / "examples.parquet", np.array([1, 3]))
    assert found.tolist() == [3]
