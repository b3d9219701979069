"""Calls of tools and their descriptions, in every form that data has, as OpenAI writes them."""

from __future__ import annotations

import json
from typing import Any

from core.dataset.cells import missing, structure
from core.dataset.readers import SkippedRow

ARGUMENTS = ("arguments", "args", "parameters", "input")


def calls(value: Any) -> list[dict[str, Any]]:
    """Return tool calls: a list or a single one, whole or as name and arguments, or as JSON text.

    Calls in OpenAI's form are kept as they are, but for the keys without a value that a table of
    unlike rows adds. Arguments are JSON text there.

    Raises:
        SkippedRow: a call has no name.
    """
    parsed = structure(value)
    return [_call(item) for item in (parsed if isinstance(parsed, list) else [parsed])]


def _call(item: Any) -> dict[str, Any]:
    item = structure(item)
    if not isinstance(item, dict):
        raise SkippedRow("tool call that is no object")
    item = {key: part for key, part in item.items() if part is not None}
    function = structure(item.get("function"))
    if isinstance(function, dict):
        function = {key: part for key, part in function.items() if part is not None}
        whole = {**item, "type": item.get("type", "function"), "function": function}
    else:
        function = {"name": item.get("name") or function}
        arguments: Any = next((item[key] for key in ARGUMENTS if key in item), {})
        function["arguments"] = arguments if isinstance(arguments, str) else _json(arguments)
        known = {"id": item["id"]} if isinstance(item.get("id"), str) else {}
        whole = {**known, "type": "function", "function": function}
    if not isinstance(function.get("name"), str):
        raise SkippedRow("tool call without a name")
    return whole


def tools(value: Any) -> list[Any]:
    """Return tool descriptions: a list or a single one, or as JSON text; none for an empty cell.

    Raises:
        SkippedRow: they cannot be read.
    """
    if missing(value) or (isinstance(value, str) and not value.strip()):
        return []
    parsed = structure(value)
    listed = parsed if isinstance(parsed, list) else [parsed]
    described = [structure(item) for item in listed]
    if not all(isinstance(item, dict) for item in described):
        raise SkippedRow("tools that are no objects")
    return described


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
