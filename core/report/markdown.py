"""A report as a short markdown text, to paste into a pull request or a model's page.

It is the report's brief form; pictures become what they show in words.
"""

from __future__ import annotations

from core.export.data_card import plain, table
from core.report.document import (
    Block,
    Code,
    Command,
    Items,
    Link,
    Paragraph,
    Picture,
    Report,
    Span,
    Spans,
    Table,
)


def render(report: Report) -> str:
    """Return the whole text."""
    parts = [f"# {spans(report.title)}", f"**{spans(report.verdict)}**"]
    parts += [spans(report.worth)] if report.worth else []
    for section in report.brief:
        parts.append(f"## {plain(section.title)}")
        parts += filter(None, map(_block, section.blocks))
    return "\n\n".join(parts) + "\n"


def spans(of: Spans) -> str:
    """Return spans as markdown on one line."""
    return "".join(map(_span, of))


def _span(span: Span) -> str:
    match span:
        case Command():
            return f"`{_code(span.text)}`"
        case Link():
            return f"[{plain(span.text)}]({span.address})"
        case str():
            return _edges(span, plain(span))
        case _:
            return _edges(span.text, unlinked(plain(span.text)))


def unlinked(text: str) -> str:
    """Keep addresses and names in people's text from becoming links where this is pasted."""
    for what, broken in (("://", "\\://"), ("www.", "www\\."), ("@", "@&#8203;")):
        text = text.replace(what, broken)
    return text


def _edges(was: str, now: str) -> str:
    """Give a piece of a sentence its spaces at the ends back."""
    if not was.strip():
        return " " if was else ""
    return " " * was[0].isspace() + now + " " * was[-1].isspace()


def _code(text: str) -> str:
    return " ".join(text.replace("`", "'").split())


def _block(block: Block) -> str:
    match block:
        case Paragraph():
            return spans(block.spans)
        case Items():
            marks = (f"{n}." if block.counted else "-" for n in range(1, 1 + len(block.items)))
            return "\n".join(f"{m} {spans(i)}" for m, i in zip(marks, block.items, strict=True))
        case Table():
            rows = [[spans(cell) for cell in row] for row in block.rows]
            return "" if block.folded else table(list(block.heads), rows)
        case Picture():
            return spans(block.words)
        case Code():
            lines = block.text.replace("```", "'''")
            return f"```bash\n{lines}\n```"
