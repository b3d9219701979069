"""What the engine says, in the words of a page: its widgets instead of command-line flags."""

from __future__ import annotations

import errno
import functools
import importlib
import re

from core.nouns import NOUNS
from core.settings import specs
from core.spec import Spec
from core.workspace.files import disk_full
from dashboard.escape import plain

COMMAND = r"`[^`]*`"
"""A whole command between backticks is for a terminal: it stays."""
AGAIN = r"\b(?:run (?:it|the same command)(?: again)?|go on) with --resume\b"
FLAG = r"--(?P<flag>[a-z][a-z0-9-]*)(?:[ =](?P<value>'[^']*'|[\w.]*\w))?"
UPLOADED = re.compile(r"[^\s'\"]*/uploads/[0-9a-f]{32}/")
"""The folder that an upload stands in, which says nothing to who uploaded it."""
WIDGETS = {"map": "What a row holds", "prompt-column": "Prompt", "response-column": "Reply"}
"""Flag -> the widget beside a file's first rows that is asked instead, where its label differs."""
_WORDS = re.compile(f"(?P<command>{COMMAND})|(?P<again>{AGAIN})|(?<![\\w-]){FLAG}")


def plain_words(text: object) -> str:
    """Write what the engine says as markdown that shows it as it is, in the words of a page."""
    return plain(in_page_words(said(text)))


def said(error: object) -> str:
    """Return what an error says; of the system's own, what it means and what to do."""
    if not isinstance(error, OSError):
        return str(error)
    where = f" at {error.filename}" if error.filename else ""
    if disk_full(error):
        return f"the disk is full{where}; free some space and try again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"nothing can be written{where} ({error.strerror}); ask who runs this dashboard for "
            "the right to write there, or for a workspace that can be written"
        )
    return f"{error.strerror or error}{where}"


def in_page_words(text: str) -> str:
    """Return a sentence of the engine with the labels of widgets instead of flags.

    >>> in_page_words("raise --max-length, or take --method lora")
    'raise “Max length”, or take “Method: lora”'
    """
    return _WORDS.sub(_worded, UPLOADED.sub("", text))


def _worded(match: re.Match[str]) -> str:
    if match["command"]:
        return match[0]
    if match["again"] is not None:
        return "choose “Resume”"
    of_flag = _specs().get(f"--{match['flag']}", [])
    if not of_flag:
        return match[0]
    value = match["value"]
    spec = next((s for s in of_flag if value in (*s.choices, *s.suggestions)), of_flag[0])
    name = WIDGETS.get(match["flag"], spec.label)
    if value is None:
        return f"“{name}”"
    if spec.kind is bool and value in ("yes", "no"):
        return f"“{name}” {'on' if value == 'yes' else 'off'}"
    if value.isupper() and value.isalpha():  # stands for what a person fills in
        return f"“{name}”"
    if value in (*spec.choices, *spec.suggestions) or value[0] in "'0123456789":
        return f"“{name}: {value.strip(chr(39))}”"
    return f"“{name}” {value}"


@functools.cache
def _specs() -> dict[str, list[Spec]]:
    """Return the settings that each flag stands for, over the nouns."""
    of_flag: dict[str, list[Spec]] = {}
    for noun in NOUNS:
        for spec in specs(importlib.import_module(f"core.{noun}").Settings):
            for flag in (spec.flag, *spec.flags):
                of_flag.setdefault(flag, []).append(spec)
    return of_flag
