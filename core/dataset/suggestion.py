"""A mapping to begin with, where no reading of a table is clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ASKED = ("question", "prompt", "instruction", "query", "problem")
BESIDE = ("context", "passage", "article", "document", "story", "premise", "hypothesis", "text")
REPLIED = ("answer", "response", "output", "completion", "target", "summary", "solution", "label")
APART = {
    *("id", "uuid", "source", "split", "url", "title", "version", "type", "model", "rejected"),
    *("role", "lang", "language", "rank", "mesh", "pred", "state"),
}
"""Words in names of columns that say what these are."""
GENERIC = ("text", "value", "content", "spans")
"""Keys that say nothing of the text under them."""


def suggested(columns: Sequence[str], sample: Mapping[str, Sequence[Any]] | None) -> str:
    """Return flags that read a table in one of the ways that it may be read."""
    texts = [name for column in columns for name in _texts(column, (sample or {}).get(column, ()))]
    texts = [name for name in texts if not _words(name) & APART]
    if len(texts) < 2:
        return "--map prompt='{column}\\n\\n{column}' and --map response=COLUMN"
    named = [(word, n) for word in REPLIED for n in texts if word in _words(n)]
    replies = [name for _, name in named] or texts[-1:]
    rest = [n for n in texts if n not in replies] or [n for n in texts if n != replies[-1]]
    prompt = [n for n in rest if _words(n) & {*ASKED, *BESIDE}] or rest
    prompt.sort(key=lambda n: bool(_words(n) & {*ASKED}))  # the question last
    written = "\\n\\n".join(f"{{{name}}}" for name in prompt[:4])
    return f"--map prompt='{written}' --map 'response={replies[0]}', for example"


def _words(name: str) -> set[str]:
    """Return the words of a name's last key, a plural as its singular, too.

    A key that only says that a text stands there gives way to the one before it.
    """
    keys = [key for key in name.split(".") if not key.isdecimal()] or [name]
    last = next((key for key in reversed(keys) if key.lower() not in GENERIC), keys[-1])
    words = last.lower().replace(" ", "_").split("_")
    return {*words, *(word.removesuffix(end) for word in words for end in ("s", "es"))}


def _texts(name: str, cells: Sequence[Any], depth: int = 0) -> list[str]:
    """List where texts are in a column: itself, or keys and places within its cells."""
    cell = next((c for c in cells if c is not None and c not in ("", [], {})), None)
    if isinstance(cell, str) or (isinstance(cell, bool | int) and _words(name) & {*REPLIED}):
        return [name]
    if depth < 4 and isinstance(cell, dict):
        return [x for key, v in cell.items() for x in _texts(f"{name}.{key}", [v], depth + 1)]
    if depth < 4 and isinstance(cell, list):
        texts = all(isinstance(item, str) for item in cell)
        single = texts and (len(cell) == 1 or name.rpartition(".")[2] in ("spans", "text"))
        if texts and not single:
            return [name]
        return _texts(f"{name}.0", cell[:1], depth + 1)
    return []
