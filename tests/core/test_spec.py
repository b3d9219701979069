"""One setting: how its text is read and what is refused."""

import pytest

from core.errors import InputError
from core.spec import Spec, listed


def test_parts_between_commas_are_listed_once_in_their_order():
    assert listed(" b, a ,,b,") == ["b", "a"]
    assert listed("") == []


@pytest.mark.parametrize(
    ("spec", "text", "value"),
    [
        (Spec(True, name="map", kind=bool, help="."), "No", False),
        (Spec("auto", name="k", kind=int, auto=True, help="."), "auto", "auto"),
        (Spec("auto", name="k", kind=int, auto=True, help="."), "12", 12),
        (Spec(1.0, name="lr", kind=float, help="."), "2e-5", 2e-5),
        (Spec("a", name="how", choices=("a", "b"), help="."), "b", "b"),
    ],
)
def test_a_text_becomes_a_checked_value(spec, text, value):
    assert spec.parse(text) == value


@pytest.mark.parametrize(
    ("spec", "text", "words"),
    [
        (Spec(True, name="map", kind=bool, help="."), "perhaps", "--map takes yes or no"),
        (Spec("auto", name="k", kind=int, auto=True, help="."), "few", "a whole number or auto"),
        (Spec(1, name="max_k", kind=int, minimum=2, help="."), "1", "--max-k is at least 2, not 1"),
        (Spec("", name="name", kind=str, help="."), "x" * 201, "--name has at most 200 characters"),
        (Spec(1, name="k", kind=int, help="."), "3000000000", "--k is at most 2147483648"),
        (Spec(1.0, name="lr", kind=float, above=0, help="."), "0", "--lr is more than 0"),
        (Spec(1.0, name="lr", kind=float, help="."), "nan", "a finite number"),
        (Spec("a", name="how", choices=("a", "b"), help="."), "c", "--how is one of a, b; not 'c'"),
        (Spec(name="id", choices=("a",), positional=True, help="."), "c", "^id is one of a"),
    ],
)
def test_what_is_refused_is_quoted_with_its_flag(spec, text, words):
    with pytest.raises(InputError, match=words):
        spec.parse(text)
