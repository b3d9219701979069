"""Text from data, people and links made plain, for the two places where the page reads markup.

Streamlit reads markdown in every label, help, message and heading; Plotly reads a little HTML in
every title, label, legend and hover. `st.text`, `st.code` and the cells of tables read none.
"""

from __future__ import annotations

import html
import re
import unicodedata

LONGEST = 2_000
"""Characters of one text in a message or a label; `st.code` shows more."""
LABEL_LENGTH = 28
"""Characters of a name that a chart shows."""
BREAK = "\u2060"
"""Word joiner: not seen, not a place to break a line, and no part of a URL or a short code."""
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_AFTER_PARSING = re.compile(r"(?<=:)(?=\S)|(?<=@)(?=\S)|(?<=www)(?=\.)|(?<=[<>~-])(?=[>=-])", re.I)
"""Where Streamlit's frontend looks for URLs, e-mail addresses, `:emoji:`, `:material/icons:` and
arrows in text that markdown has been read from, so that a backslash does not keep them from it."""


def plain(text: object) -> str:
    r"""Write a text as markdown that shows it as it is, in one line.

    Every ASCII punctuation mark may have a backslash before it (CommonMark 2.4).

    >>> plain("a *b*")
    'a \\*b\\*'
    """
    return _PUNCTUATION.sub(r"\\\1", _AFTER_PARSING.sub(BREAK, one_line(text, LONGEST)))


def label(text: object, length: int = LABEL_LENGTH) -> str:
    """Write a text for a chart: short, in one line, no markup, no fields of hover templates.

    Plotly renders <b>, <a href>, <br> and entities in every label and expands %{...} in hovers.
    """
    clean = html.escape(one_line(text, length))
    return clean.replace("%{", f"%{BREAK}{{").replace("$", "&#36;")


def one_line(text: object, length: int) -> str:
    """Return a text without line breaks and control characters, cut after `length` characters.

    Characters that turn the direction of what follows, or are half a pair, go as well.
    """
    shown = str(text)[: 16 * length]
    joiners = "\u200c\u200d"  # letters of Persian or Hindi, and emoji, need them
    kept = (c if c in joiners or unicodedata.category(c)[0] not in "CZ" else " " for c in shown)
    clean = " ".join("".join(kept).split())
    return clean if len(clean) <= length else clean[: length - 1].rstrip() + "…"
