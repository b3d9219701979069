"""A run as a file: the settings of one command as YAML, written by a page and read by `--config`.

A file names every setting, so that it means the same when a default changes later.
"""

from __future__ import annotations

import difflib
import pathlib
from collections.abc import Hashable
from typing import Any

import yaml

from core.errors import InputError
from core.settings import specs
from core.spec import Spec
from core.workspace.files import given

COMMAND = "command"
"""The key that says which command the settings are of."""
NOTHING = ("null", "~")
LARGEST = 1_000_000
"""Bytes of a file that is read."""


class _Loader(yaml.BaseLoader):
    """Reads every value as the text it is, as a flag does; no key twice, no aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(None, None, "aliases are not read; write it out", mark)
        node: yaml.Node | None = super().compose_node(parent, index)  # type: ignore[arg-type]
        return node

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        return None if node.value in NOTHING and node.style is None else node.value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                problem = f"{key.value!s:.80} stands twice"
                raise yaml.MarkedYAMLError(None, None, problem, key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def write(noun: str, settings: Any) -> str:
    """Return the settings as YAML: what is not at its default first."""
    changed: list[str] = []
    rest: list[str] = []
    for spec in specs(type(settings)):
        value = getattr(settings, spec.name)
        if value is None or (spec.hidden and not spec.identity):  # how it starts, not what it is
            continue
        held = value.split("\n") if spec.repeated and value else value
        line = yaml.safe_dump({spec.name: held}, allow_unicode=True, width=float("inf"))
        (rest if value == spec.default else changed).append(line)
    head = f"# python -m core {noun} {flag_of(type(settings))} FILE\n{COMMAND}: {noun}\n"
    return head + "".join(changed) + ("\n# as by default\n" + "".join(rest) if rest else "")


def flag_of(cls: type) -> str:
    """Return the flag that takes such a file; export has a --config of its own."""
    return "--run-file" if any(s.name == "config" for s in specs(cls)) else "--config"


def read(path: str, noun: str, cls: type) -> dict[str, str]:
    """Return the settings of a file as their flags would have them, checked one by one.

    Raises:
        InputError: it cannot be read, is of another command, or a key or value is wrong.
    """
    file = given(path)
    if not file.is_file():
        raise InputError(f"there is no file {path}; --config takes a YAML file of settings")
    if file.stat().st_size > LARGEST:
        raise InputError(f"{path} is larger than {LARGEST:,} bytes; name a file of settings")
    return parse(file.read_bytes(), pathlib.PurePath(path).name, noun, cls)


def parse(content: bytes, name: str, noun: str, cls: type) -> dict[str, str]:
    """Return the settings that a file's bytes hold; `name` is what errors call it.

    Raises:
        InputError: as `read`.
    """
    listed = _mapping(content, name)
    of = listed.pop(COMMAND, noun)
    if of != noun:
        raise InputError(f"{name} is a file of the command {of!s:.40}, not of {noun}")
    known = {s.name: s for s in specs(cls)}
    texts: dict[str, str] = {}
    for key, value in listed.items():
        spec = known.get(str(key).replace("-", "_"))
        if spec is None:
            raise InputError(f"{name}: {noun} has no setting {key!s:.80}{_like(str(key), known)}")
        if spec.name in texts:
            raise InputError(f"{name}: {spec.name} stands twice, as {key} too; leave one out")
        text = _text(spec, value, name)
        try:
            spec.parse(text)
        except InputError as e:
            raise InputError(f"{name}: {str(e).replace(spec.flag, spec.name, 1)}") from None
        texts[spec.name] = text
    return texts


def _mapping(content: bytes, name: str) -> dict[Any, Any]:
    try:
        loaded = yaml.load(content, _Loader)
    except yaml.MarkedYAMLError as e:
        where = f", line {e.problem_mark.line + 1:,}" if e.problem_mark else ""
        raise InputError(f"{name} is no YAML that can be read{where}: {e.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        raise InputError(f"{name} is no YAML that can be read; save one on the page") from None
    if not isinstance(loaded, dict):
        raise InputError(f"{name} holds no settings; a line reads `name: value`")
    return loaded


def _text(spec: Spec, value: Any, name: str) -> str:
    """Return a value as its flag has it; a list of them as one text."""
    if value is None:
        raise InputError(f"{name}: {spec.name} has no value; leave the line out for the default")
    if isinstance(value, str):
        return value
    flat = isinstance(value, list) and all(isinstance(part, str) for part in value)
    if not flat or spec.kind is not str or spec.choices:
        raise InputError(f"{name}: {spec.name} takes one value, no list or table")
    return ("\n" if spec.repeated else ",").join(value)


def _like(key: str, known: dict[str, Spec]) -> str:
    near = difflib.get_close_matches(key.replace("-", "_"), known, 1)
    return f"; did you mean {near[0]}?" if near else "; `--help` lists what there is"
