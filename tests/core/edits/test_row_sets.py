import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.edits import row_sets

ROWS = st.sets(st.integers(0, 5000), max_size=300).map(lambda s: np.array(sorted(s), np.int64))


@given(ROWS)
def test_rows_come_back_as_they_were_packed(rows):
    packed = json.loads(json.dumps(row_sets.pack(rows)))
    assert row_sets.unpack(packed).tolist() == rows.tolist()
    assert row_sets.count(packed) == len(rows)
    assert isinstance(packed, list) == (len(rows) <= row_sets.SHORT)


def test_a_large_set_is_short():
    every_second = np.arange(0, 1_000_000, 2)
    assert len(json.dumps(row_sets.pack(every_second))) < 2_000
    drawn = np.flatnonzero(np.random.default_rng(0).random(1_000_000) < 0.5)
    assert len(json.dumps(row_sets.pack(drawn))) < 1_000_000 / 5.9


@pytest.mark.parametrize(
    ("text", "rows"),
    [("3,17,20-22", [3, 17, 20, 21, 22]), ("5", [5]), (" 7 , 2-3, 3", [2, 3, 7]), ("0-0", [0])],
)
def test_rows_on_a_command_line(text, rows):
    assert row_sets.parse(text, 30).tolist() == rows


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is not a row"),
        ("1,,2", "'' is not a row"),
        ("a", "'a' is not a row; give rows such as 3,17,100-120"),
        ("-1", "'-1' is not a row"),
        ("1-2-3", "is not a row"),
        ("30", "30 is outside the rows 0 to 29"),
        ("5-99999999999999", "outside the rows"),
        ("7-5", "7-5 is outside"),
    ],
)
def test_what_is_no_row_is_named(text, words):
    with pytest.raises(ValueError, match=words):
        row_sets.parse(text, 30)


@given(ROWS)
def test_what_is_shown_can_be_typed_as_far_as_it_goes(rows):
    shown, _, left = row_sets.show(rows).partition(" and ")
    typed = row_sets.parse(shown, 5001).tolist() if len(rows) else []
    assert typed == rows[: len(typed)].tolist()
    assert len(typed) + int(left.split(" ")[0].replace(",", "") or 0 if left else 0) == len(rows)


def test_ranges_are_shown_as_ranges():
    assert row_sets.show(np.array([3, 17, 100, 101, 102])) == "3,17,100-102"
    assert row_sets.show(np.arange(0, 100, 2)).endswith(",38 and 30 more")
    assert row_sets.show(np.zeros(0, np.int64)) == ""
    assert [row_sets.words(n) for n in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]
