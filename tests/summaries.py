"""Summaries of artifacts that tests make up: every required key is there, of its type."""

import typing

from core.workspace import shape

EMPTY = {int: 0, float: 0.0, str: "", bool: False, list: [], dict: {}}


def whole(kind, **facts):
    """Return a summary of this kind that says these things, and of all else nothing."""
    declared = shape._declared(kind)
    hints = {key: shape._hints(declared)[key] for key in shape._required(declared)}
    return {key: EMPTY.get(typing.get_origin(h) or h) for key, h in hints.items()} | facts
