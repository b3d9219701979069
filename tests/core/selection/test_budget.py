import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.selection.budget import Budget, parse


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("30000", "rows", 30_000),
        ("30,000", "rows", 30_000),
        ("1", "rows", 1),
        ("30k", "rows", 30_000),
        ("1.5k rows", "rows", 1500),
        ("0.11", "share", 0.11),
        (".5", "share", 0.5),
        ("1.0", "share", 1),
        ("11%", "share", 0.11),
        ("11 %", "share", 0.11),
        (" 100% ", "share", 1),
        ("500k tokens", "tokens", 500_000),
        ("500K Tokens", "tokens", 500_000),
        ("1 token", "tokens", 1),
    ],
)
def test_the_grammar(text, kind, value):
    assert parse(text) == Budget(kind, pytest.approx(value))


@pytest.mark.parametrize(
    "text",
    [
        *("0", "0%", "0.0", "-5", "-1%", "nan", "inf", "11 percent", "120%", "1.5", "", "many"),
        *("tokens", "1e3", "0,11", "3,5 %", "1 1%", "500k%", "0.5 rows", "1.5 tokens", "٣"),
        "9" * 400,
    ],
)
def test_anything_else_is_refused_with_the_value(text):
    with pytest.raises(ValueError, match="budget") as e:
        parse(text)
    assert repr(text) in str(e.value)


@pytest.mark.parametrize("text", ["11 percent", "11 per cent", "11pct"])
def test_a_share_in_words_is_refused_with_what_to_write(text):
    with pytest.raises(ValueError, match=r"; write 11%$"):
        parse(text)


@given(st.integers(1, 10**6), st.integers(1, 100))
def test_a_share_is_its_floor_but_at_least_one_row(pool, percent):
    expected = max(1, pool * percent // 100)
    assert parse(f"{percent}%").rows(pool) == parse(f"{percent} %").rows(pool) == expected
    assert parse(f"{percent / 100:.2f}").rows(pool) == expected


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_rows_are_exact_or_too_many(pool, wanted):
    for text in (str(wanted), f"{wanted:,}"):
        if wanted <= pool:
            assert parse(text).rows(pool) == wanted
        else:
            with pytest.raises(ValueError, match="more than the"):
                parse(text).rows(pool)


@given(st.sampled_from(["rows", "tokens"]), st.integers(1, 10**9))
def test_a_budget_reads_back_from_what_it_says(kind, value):
    assert parse(str(Budget(kind, value))) == Budget(kind, value)


DIGITS = r"(\d+|\d{1,3}(,\d{3})+)"
NUMBER = rf"({DIGITS}(\.\d*)?|\.\d+)"
COUNT = rf"{NUMBER}(\s*[kmg])?"
FORMS = {
    "rows": rf"{COUNT}(\s*rows?)?",
    "share": rf"{NUMBER}(\s*%)?",
    "tokens": rf"{COUNT}\s*tokens?",
}


@given(st.text("0123456789.,% krowstken", max_size=12) | st.text(max_size=12))
def test_what_is_no_form_of_the_grammar_is_refused_by_name(text):
    spelt = text.strip().lower()
    kinds = {kind for kind, form in FORMS.items() if re.fullmatch(form, spelt, re.ASCII)}
    if kinds:
        # 0, or more than all; the next test says what is read
        with contextlib.suppress(InputError):
            budget = parse(text)
            assert budget.kind in kinds
            assert budget.value > 0
    else:
        with pytest.raises(InputError, match=re.escape(repr(text))):
            parse(text)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("2.", Budget("rows", 2)),
        ("2.0", Budget("rows", 2)),
        ("1.", Budget("share", 1)),
        ("1.0", Budget("share", 1)),
        (".5", Budget("share", 0.5)),
    ],
)
def test_a_point_makes_a_share_up_to_one_and_rows_above(text, budget):
    assert parse(text) == budget


@given(st.integers(1, 10**6), st.integers(1, 100))
def test_every_form_of_the_grammar_is_read(number, percent):
    for unit in ("", " rows", "rows"):
        for spelt in (str(number), f"{number:,}"):
            assert parse(f" {spelt}{unit} ") == Budget("rows", number)
        assert parse(f"{number}k{unit}") == Budget("rows", 1000 * number)
    for unit in (" tokens", "tokens", " TOKENS"):
        assert parse(f"{number:,}{unit}") == Budget("tokens", number)
        assert parse(f"{number}k{unit}") == Budget("tokens", 1000 * number)
    assert parse(f"{percent}%") == parse(f"{percent} %") == Budget("share", percent / 100)
