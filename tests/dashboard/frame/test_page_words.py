import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.nouns import NOUNS
from core.settings import specs
from dashboard.frame.page_words import _specs, in_page_words, plain_words


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("raise --max-length, or exclude them", "raise “Max length”, or exclude them"),
        ("use --template alpaca or plain", "use “Template: alpaca” or plain"),
        ("take --method lora", "take “Method: lora”"),
        ("a smaller --lr than 0.3", "a smaller “Learning rate” than 0.3"),
        ("keep fewer with --keep-every 0, now", "keep fewer with “Keep every: 0”, now"),
        ("name a file with --eval FILE", "name a file with “Test set”"),
        ("begin with --accept-long yes", "begin with “Accept long” on"),
        ("run it again with --resume", "choose “Resume”"),
        ("run the same command with --resume: it goes on", "choose “Resume”: it goes on"),
        ("--resume continues", "“Resume” continues"),
        ("`python -m core finetune --lr 1` does", "`python -m core finetune --lr 1` does"),
        ("--no-such-flag 3", "--no-such-flag 3"),
        ("a--max-length", "a--max-length"),
        ("say what it means with --map", "say what it means with “What a row holds”"),
        (f"no row in '/srv/ws/uploads/{'0a' * 16}/my rows.csv'", "no row in 'my rows.csv'"),
    ],
)
def test_flags_become_labels(said, shown):
    assert in_page_words(said) == shown


def test_every_flag_has_a_label():
    for noun in NOUNS:
        for spec in specs(__import__(f"core.{noun}", fromlist=["Settings"]).Settings):
            assert spec.flag in _specs()
            assert "--" not in in_page_words(f"choose another {spec.flag}")


@given(st.text().filter(lambda t: "--" not in t and "`" not in t))
def test_other_text_stays(text):
    assert in_page_words(text) == text


def test_hostile_text_stays_plain():
    assert plain_words("![i](http://x) --lr :red[a]") == plain_words(
        "![i](http://x) “Learning rate” :red[a]"
    )
    assert "![" not in plain_words("![i](http://x)")


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (errno.EROFS, "nothing can be written at /w/jobs (Read-only file system); ask who runs"),
        (errno.EACCES, "nothing can be written at /w/jobs (Permission denied); ask who runs"),
        (errno.ENOSPC, "the disk is full at /w/jobs; free some space and try again"),
        (errno.ENAMETOOLONG, "File name too long at /w/jobs"),
    ],
)
def test_an_error_of_the_system_says_what_to_do_and_has_no_number(number, shown):
    words = plain_words(OSError(number, os.strerror(number), "/w/jobs")).replace("\\", "")
    assert words.startswith(shown)
    assert "Errno" not in words
