"""Switches of S2L: quotas as they are written."""

from hypothesis import given
from hypothesis import strategies as st

from core.selection.s2l_options import by_hand, put, written

ROWS = st.dictionaries(st.integers(0, 30), st.integers(0, 500), max_size=6)


@given(ROWS, ROWS)
def test_what_is_written_by_hand_is_read_again(fixed, caps):
    caps = {c: rows for c, rows in caps.items() if c not in fixed}
    text = written(fixed, caps)
    assert by_hand(text) == (fixed, caps)
    assert written(*by_hand(text)) == text
    shuffled = ",".join(reversed(text.split(",")))
    assert written(*by_hand(shuffled)) == text


@given(ROWS, ROWS, ROWS, st.sampled_from(["=", "<=", ""]))
def test_putting_some_quotas_leaves_the_others(fixed, caps, rows, sign):
    caps = {c: n for c, n in caps.items() if c not in fixed}
    fixed_now, caps_now = by_hand(put(written(fixed, caps), sign, rows))
    for before, now, mine in ((fixed, fixed_now, "="), (caps, caps_now, "<=")):
        others = {c: n for c, n in before.items() if c not in rows}
        assert now == others | (rows if sign == mine else {})
