"""Words are told from bytes as they are told from a text."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from core.dataset.words import Flat, as_texts, hashed, told_in_parts, words

PIECES = [
    *(
        "one",
        "Two,",
        "x+1",
        "ok中",
        "カナ",
        "--",
        "한",
        "_",
        "",
        " ",
        "\n",
        "İ",
        "é",
        "Ⅷ",
        "\ud800",
    ),
    *("abcdefgh", "abcdefghi", "ABCDEFGHIJKLMNOPQ", "a" * 300, "a" * 299 + "b", "12345678", "…"),
]
TEXTS = st.lists(st.lists(st.sampled_from(PIECES), max_size=7).map("".join) | st.text(), max_size=9)


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_equal_words_and_no_others_have_equal_hashes(texts):
    value, counts = hashed(as_texts(texts))
    told = [words(text) for text in texts]
    assert counts.tolist() == [len(one) for one in told]
    names: dict[str, int] = {}
    for word, number in zip((w for one in told for w in one), value.tolist(), strict=True):
        assert names.setdefault(word, number) == number
    assert len(set(names.values())) == len(names)
    parts = list(told_in_parts(as_texts(texts)))
    assert [n for _, some in parts for n in some.tolist()] == counts.tolist()


def test_words_are_read_from_memory_and_from_a_file_alike(tmp_path):
    codes = np.arange(100_000, dtype=np.uint32)
    starts, ends = np.array([5, 70_000, 30, 8]), np.array([9, 70_003, 30, 60])
    found = []
    for folder in (None, tmp_path):
        flat = Flat(folder)
        flat.append(codes[:40_000])
        flat.append(codes[40_000:])
        assert flat.range(39_998, 40_002).tolist() == [39_998, 39_999, 40_000, 40_001]
        found.append(flat.ranges(starts, ends).tolist())
        assert flat.ranges(np.array([3, 9]), np.array([9, 11])).tolist() == list(range(3, 11))
        flat.close()
    assert found[0] == found[1] == [*range(5, 9), *range(70_000, 70_003), *range(8, 60)]
