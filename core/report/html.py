"""A report as one HTML file: no request to anywhere, no script but ours, readable without it.

The policy in its head lets the browser run the one script whose hash it names and load nothing, so
a text of the data could do nothing even if it were not escaped.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import pathlib
import unicodedata

from core.report.document import (
    Block,
    Code,
    Command,
    Items,
    Link,
    Number,
    Paragraph,
    Picture,
    Quoted,
    Report,
    Section,
    Sentence,
    Span,
    Spans,
    Table,
)
from core.report.project import as_text

HERE = pathlib.Path(__file__).parent
LONG = 16
"""Characters of a number that stay on one line."""
TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what follows (Unicode, UAX 9)."""


def render(report: Report) -> str:
    """Return the whole file."""
    script, style = _file("page.js"), _file("page.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )
    contents = "".join(f'<li><a href="#{s.key}">{text(s.title)}</a></li>' for s in report.sections)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{text(as_text(report.title))}: report</title>",
            f"<style>{style}</style></head><body>",
            '<a class="skip" href="#main">Skip to the report</a>',
            f'<header><p class="of">Report on <bdi>{spans(report.title)}</bdi></p>',
            f"<h1>{spans(report.verdict)}</h1>",
            f"<p>{spans(report.worth)}</p></header>" if report.worth else "</header>",
            f'<nav aria-label="Contents"><ul>{contents}</ul></nav>',
            '<main id="main">',
            *map(_section, report.sections),
            "</main>",
            f"<script>{script}</script></body></html>",
            "",
        ]
    )


def text(value: str) -> str:
    """Return any text as HTML that shows it and does nothing; what is not shown is a space."""
    return html.escape("".join(c if shown(c) else " " for c in value))


def shown(character: str) -> bool:
    """Say whether a character is neither a control nor one that turns the direction of text."""
    return character == "\n" or not (
        character in TURNS or unicodedata.category(character) in ("Cc", "Cs")
    )


def spans(of: Spans) -> str:
    """Return spans as HTML."""
    return "".join(map(_span, of))


def _span(span: Span) -> str:
    match span:
        case Number():
            source, value = text(span.source), text(span.value)
            long = ' class="long"' if len(span.text) > LONG else ""  # hashes and ids may wrap
            return f'<data{long} value="{value}" data-from="{source}">{text(span.text)}</data>'
        case Sentence():
            return f'<span data-from="{text(span.source)}">{text(span.text)}</span>'
        case Quoted():
            return f"<bdi>{text(span.text)}</bdi>"
        case Command():
            return f"<code>{text(span.text)}</code>"
        case Link():
            return f'<a href="{text(span.address)}" rel="noreferrer">{text(span.text)}</a>'
        case str():
            return text(span)


def _section(section: Section) -> str:
    blocks = "\n".join(map(_block, section.blocks))
    return (
        f'<section id="{section.key}" aria-labelledby="{section.key}-title">'
        f'<h2 id="{section.key}-title">{text(section.title)}</h2>\n{blocks}</section>'
    )


def _block(block: Block) -> str:
    match block:
        case Paragraph():
            return f"<p>{spans(block.spans)}</p>"
        case Items():
            kind = "ol" if block.counted else "ul"
            items = "".join(f"<li>{spans(item)}</li>" for item in block.items)
            return f"<{kind}>{items}</{kind}>"
        case Table():
            return _table(block)
        case Picture():
            note = f' <span class="note">{spans(block.note)}</span>' if block.note else ""
            return (
                f'<figure id="{block.key}"><div class="bar"><h3>{text(block.title)}</h3></div>'
                f'<div class="drawing">{block.svg}</div>'
                f'<figcaption id="{block.key}-words">{spans(block.words)}{note}</figcaption>'
                "</figure>"
            )
        case Code():
            return f'<pre tabindex="0">{text(block.text)}</pre>'


def _table(table: Table) -> str:
    heads = "".join(f'<th scope="col">{text(head)}</th>' for head in table.heads)
    rows = []
    for i, (first, *others) in enumerate(table.rows):
        cluster = f' data-c="{table.clusters[i]}"' if table.clusters else ""
        cells = "".join(f"<td{_side(cell)}>{spans(cell)}</td>" for cell in others)
        rows.append(f'<tr{cluster}><th scope="row">{spans(first)}</th>{cells}</tr>')
    title = text(table.title)
    caption = f"<caption>{title}</caption>" if not table.folded else ""
    whole = (
        f'<div class="table" role="region" aria-label="{title}" tabindex="0"><table>{caption}'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
    return f"<details><summary>{title}</summary>{whole}</details>" if table.folded else whole


def _side(cell: Spans) -> str:
    """Set a cell of words to the left, one of numbers to the right."""
    return ' class="words"' if any(isinstance(span, Quoted) for span in cell) else ""


@functools.cache
def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
