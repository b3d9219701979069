import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.escape import BREAK, LONGEST, label, plain
from tests.pages.conftest import unescaped

FOUND_AFTER_PARSING = re.compile(
    r"https?://[-.\w]|www\.[-.\w]|[-.\w+]@[-\w]+\.[-\w]|:[\w+-]+:|:material[/_]\w+:"
    r"|(?:^|\s)(?:<->|->|<-|--|>=|<=|~=)(?:\s|$)",
    re.IGNORECASE,
)
"""What Streamlit 1.67's frontend makes links, icons, emoji and arrows of, in text without markdown."""
TEXTS = st.text(
    st.one_of(st.characters(), st.sampled_from(" \n\\`*_{}[]()<>#+-.!|~$:&@/=wht")), max_size=60
)


@given(TEXTS)
def test_plain_text_is_one_line_in_which_every_mark_is_escaped(text):
    shown = plain(text)
    assert not re.search(r"(?<!\\)(?:\\\\)*[!-/:-@\[^-`{-~]", shown)
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert shown.strip() == shown
    assert "  " not in shown


@given(TEXTS)
def test_plain_text_reads_as_it_was_written(text):
    def seen(t):
        return "".join(c for c in t if unicodedata.category(c)[0] not in "CZ")

    assert seen(unescaped(plain(text))) == seen(text)


@given(TEXTS | st.from_regex(FOUND_AFTER_PARSING))
def test_nothing_is_found_in_plain_text_after_parsing(text):
    without_marks = re.sub(r"\\(?=[!-/:-@\[-`{-~])", "", plain(text))
    assert not FOUND_AFTER_PARSING.search(without_marks)


@pytest.mark.parametrize(
    "text",
    [
        "https://e.test/a",
        "www.e.test",
        "a@e.test",
        ":smile:",
        ":material/home:",
        "a -> b",
        "a <-> b",
    ],
)
def test_each_of_them_is_found_unless_it_is_made_plain(text):
    assert FOUND_AFTER_PARSING.search(text)
    assert not FOUND_AFTER_PARSING.search(plain(text).replace("\\", ""))


def test_a_long_text_is_cut_and_says_so():
    assert plain("x" * (LONGEST + 1)).endswith("x…")
    assert plain("x" * LONGEST) == "x" * LONGEST


def test_joined_letters_and_emoji_stay_whole():
    for text in ("\u0645\u06cc\u200c\u062e", "👩\u200d💻", "\u0915\u094d\u200d\u0937"):
        assert plain(text) == text


def test_a_label_has_no_markup_for_plotly():
    assert label("<b>%{x}</b> $y$", 40) == f"&lt;b&gt;%{BREAK}{{x}}&lt;/b&gt; &#36;y&#36;"
