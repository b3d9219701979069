"""What stands in a manifest or a run.json: which keys, of which types.

A hash tells that a manifest is as somebody wrote it, not that it was this program.
"""

from __future__ import annotations

import datetime as dt
import functools
import importlib
import math
import pathlib
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

HIGHEST = 2**63
"""Numbers beyond it are none that was measured or counted."""
MODULES = {"vote": "core.chat.votes"}
"""Kind -> where its summary is declared, if not in `core.<kind>.artifact`."""
Check = Callable[[Any], bool]


def begun(facts: dict[str, Any]) -> str:
    """Return what is wrong with what an unfinished run says of itself; empty where nothing is."""
    for key, (right, what) in BEGUN.items():
        if key not in facts:
            return f"{key} is missing"
        if not right(facts[key]):
            return f"{key} is not {what}"
    if not _plain(facts["config"]):
        return "config holds a number that is none"
    return ""


def sealed(facts: dict[str, Any], kind: str) -> str:
    """Return what is wrong with a manifest of this kind; empty where nothing is."""
    if problem := begun(facts):
        return problem
    if facts["kind"] != kind:
        return f"it says that it is a {facts['kind']:.40}"
    for key, (right, what) in SEALED.items():
        if key not in facts:
            return f"{key} is missing"
        if not right(facts[key]):
            return f"{key} is not {what}"
    declared = _declared(kind)
    for key, value in facts["summary"].items():
        if key in (hints := _hints(declared)) and not is_of(value, hints[key]):
            return f"{key} in its summary is {value!a:.40}"
    if missing := sorted(_required(declared) - facts["summary"].keys()):
        return f"{missing[0]} is missing in its summary"
    return odd(facts["summary"]) if (odd := getattr(_noun(kind), "odd", None)) else ""


def _text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def _moment(value: Any) -> bool:
    try:
        return dt.datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _parents(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())


def _number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value != value or abs(value) == math.inf or abs(value) < HIGHEST


def _files(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(facts, dict)
        and isinstance(facts.get("sha256"), str)
        and type(facts.get("bytes")) is int
        and 0 <= facts["bytes"] < HIGHEST
        and _inside(name)
        for name, facts in value.items()
    )


def _inside(name: str) -> bool:
    """Say whether a file lies in its artifact's folder."""
    path = pathlib.PurePosixPath(name)
    inside = bool(path.parts) and not path.is_absolute() and ".." not in path.parts
    return inside and "\0" not in name


def _plain(config: dict[str, Any]) -> bool:
    """Say whether the numbers of a config are ones that a setting can have had."""
    numbers = [v for v in config.values() if isinstance(v, int | float)]
    return all(isinstance(v, bool) or (_number(v) and math.isfinite(v)) for v in numbers)


BEGUN: dict[str, tuple[Check, str]] = {
    "kind": (_text, "a text"),
    "id": (_text, "a text"),
    "name": (_text, "a text"),
    "created": (_moment, "a time"),
    "config": (lambda v: isinstance(v, dict), "an object"),
    "parents": (_parents, "an object of ids"),
    "fingerprint": (_text, "a text"),
}
"""Key of a run.json, and of a manifest -> whether a value is right, and what it should be."""
SEALED: dict[str, tuple[Check, str]] = {
    "summary": (lambda v: isinstance(v, dict), "an object"),
    "files": (_files, "a list of its files with their sizes and hashes"),
    "seconds": (_number, "a number"),
}
"""What a manifest has beside it."""


@functools.cache
def _declared(kind: str) -> Any:
    """Return the TypedDict that the noun of a kind declares of its summaries."""
    return getattr(_noun(kind), f"{kind.title()}Summary")


def _noun(kind: str) -> Any:
    """Return where the summary is declared; its `odd` says what no type can, where it has one."""
    return importlib.import_module(MODULES.get(kind, f"core.{kind}.artifact"))


def only_right(value: dict[str, Any], cls: type) -> dict[str, Any]:
    """Return what of an object has the type that a TypedDict declares; other keys stay."""
    hints = _hints(cls)
    return {k: v for k, v in value.items() if k not in hints or is_of(v, hints[k])}


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


@functools.cache
def _required(cls: Any) -> frozenset[str]:
    """Return the keys that every summary of a kind has had since the first version."""
    hints = typing.get_type_hints(cls, include_extras=True)
    optional = {k for k, hint in hints.items() if typing.get_origin(hint) is typing.NotRequired}
    return frozenset(hints.keys() - optional - cls.__optional_keys__)


def is_of(value: Any, hint: Any) -> bool:
    """Say whether a value of JSON is of a type, as far as its outer parts tell."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(is_of(value, arg) for arg in args)
    if origin is typing.Literal:
        return value in args if isinstance(value, str | int) else False
    if hint is int:
        return _number(value) and math.isfinite(value) and not isinstance(value, float)
    if hint is float:
        return _number(value)
    if hint in (str, bool, types.NoneType):
        return isinstance(value, hint)
    if origin is list:
        return isinstance(value, list) and all(is_of(v, args[0]) for v in value)
    if origin is tuple:
        return isinstance(value, list)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, dict) and all(is_of(v, args[1]) for v in value.values())
    if typing.is_typeddict(hint):
        return (
            isinstance(value, dict)
            and _required(hint) <= value.keys()
            and all(is_of(value[k], h) for k, h in _hints(hint).items() if k in value)
        )
    return True
