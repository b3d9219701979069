"""One declaration per setting: command-line flag, form widget and manifest entry at once.

A stage declares a `Group`: a frozen, keyword-only dataclass whose fields are made by `setting()`.
Nothing else in the project repeats a name, a default, a limit or a help text.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import types
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, Literal, NoReturn, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

from core.errors import InputError
from core.spec import Auto, Spec

P = ParamSpec("P")
T = TypeVar("T")


def _field_of(spec: Callable[P, Spec]) -> Callable[P, Any]:
    def setting(*default: P.args, **facts: P.kwargs) -> Any:
        declared = spec(*default, **facts)
        return dataclasses.field(default=declared.default, metadata={"spec": declared})

    return setting


setting = _field_of(Spec)
"""Declare one field of a group: its default, without which it is required, and the facts of `Spec`.

Choices from a table are given here; fixed words are the `Literal` that annotates the field, where
name, kind and "auto" come from, too.
"""


class Group:
    """Settings that belong together; of several groups a class is made by naming them as bases.

    Their settings are listed in the order of the bases, then its own. All values are checked when
    one is made, then what each group's `validate` says of several together.
    """

    def __post_init__(self) -> None:
        for spec in specs(type(self)):
            value = getattr(self, spec.name)
            spec.check(value)
            if spec.kind is float and isinstance(value, int):  # 3 and 3.0 are the same run
                object.__setattr__(self, spec.name, float(value))
        for group in _groups(type(self)):
            if "validate" in vars(group):
                group.validate(self)

    def validate(self) -> None:
        """Raise InputError where values that are right each do not go together."""


def _groups(cls: type) -> list[type[Group]]:
    """Return the groups that a class is made of, in order, itself last."""
    bases = [group for base in cls.__bases__ for group in _groups(base)]
    return [*dict.fromkeys(bases), cls] if issubclass(cls, Group) else []


def specs(cls: type) -> list[Spec]:
    """List the settings of a class: the required ones, then the others, each as declared."""
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    names = dict.fromkeys(n for g in _groups(cls) for n in inspect.get_annotations(g))
    out = [_spec(fields[name], hints[name]) for name in names]
    return sorted(out, key=lambda spec: not spec.required)


def _spec(field: dataclasses.Field[Any], hint: Any) -> Spec:
    declared: Spec = field.metadata["spec"]
    alone = get_origin(hint) in (None, Literal)
    members = [hint] if alone else [m for m in get_args(hint) if m is not types.NoneType]
    fixed = get_args(members[0]) if len(members) == 1 else ()
    return dataclasses.replace(
        declared,
        name=field.name,
        kind=next((m for m in members if m in (int, float, str, bool)), str),
        auto=Auto in members,
        label=declared.label or field.name.replace("_", " ").capitalize(),
        choices=declared.choices or fixed,
    )


def add_flags(parser: argparse.ArgumentParser, cls: type, *, required: bool = True) -> None:
    """Add one flag per setting; values stay text until `from_args`.

    Where not `required`, no flag has to be given: a file may say it. Beside a positional setting a
    bool is a flag without a value, which could not be told from it.
    """
    listed = specs(cls)
    bare = any(spec.positional for spec in listed)
    for spec in listed:
        silent = spec.required or spec.default in ("", None) or (bare and spec.kind is bool)
        shown = "" if silent else f" (default: {_text(spec.default)})"
        choices = f" [{' | '.join(spec.choices)}]" if spec.choices else ""
        how: dict[str, Any] = {"default": argparse.SUPPRESS}
        how["help"] = (spec.help + choices + shown).replace("%", "%%")
        if spec.positional:
            parser.add_argument(spec.name, nargs=None if spec.required and required else "?", **how)
            continue
        if spec.kind is bool:
            how |= {"const": "yes"}
            how |= {"action": "store_const"} if bare else {"nargs": "?", "metavar": "yes|no"}
        else:
            how["metavar"] = spec.name.upper()
            how |= {"action": _AddLine} if spec.repeated else {}
        how["required"] = spec.required and required
        parser.add_argument(spec.flag, *spec.flags, dest=spec.name, **how)


def from_args(cls: type[T], values: dict[str, str]) -> T:
    """Build a settings object from parsed flag texts.

    Raises:
        InputError: a value is malformed or out of range; the message names the flag.
    """
    if missing := [s.flag for s in specs(cls) if s.required and s.name not in values]:
        raise InputError(f"{' and '.join(missing)} must be given, as a flag or in the file")
    # argparse takes the text "--" out of a value, which leaves an empty list
    texts = {name: value if isinstance(value, str) else "--" for name, value in values.items()}
    return cls(**{s.name: s.parse(texts[s.name]) for s in specs(cls) if s.name in texts})


def from_argv(cls: type[T], argv: Sequence[str]) -> T:
    """Build a settings object from flags, as `to_argv` lists them.

    Raises:
        InputError: a flag is missing, unknown or has a value it does not take.
    """
    parser = _Parser(add_help=False, allow_abbrev=False)
    add_flags(parser, cls)
    return from_args(cls, vars(parser.parse_args(argv)))


class _AddLine(argparse.Action):
    """Keep what a flag is given as one more line of its value."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        line = str(values).replace("\r\n", "\n").replace("\n", r"\n")
        before = getattr(namespace, self.dest, "")
        setattr(namespace, self.dest, f"{before}\n{line}" if before else line)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def to_argv(settings: Any) -> list[str]:
    """List the flags that give these settings; defaults are left out."""
    argv: list[str] = []
    for spec in specs(type(settings)):
        value = getattr(settings, spec.name)
        if value == spec.default:
            continue
        for text in value.split("\n") if spec.repeated else [_text(value)]:
            # a text that begins with a dash would read as a flag
            argv += [f"{spec.flag}={text}"] if text.startswith("-") else [spec.flag, text]
    return argv


def to_config(settings: Any) -> dict[str, Any]:
    """Return the settings as plain data."""
    return {s.name: getattr(settings, s.name) for s in specs(type(settings))}


def from_config(cls: type[T], config: dict[str, Any]) -> T:
    """Build settings from a manifest's config: younger ones at their default, unknown left out."""
    return cls(**{s.name: config[s.name] for s in specs(cls) if s.name in config})


def identity(
    settings: Any,
    *,
    first: Container[str] | None = None,
    before: Mapping[str, Any] = types.MappingProxyType({}),
    ignored: Container[str] = (),
) -> dict[str, Any]:
    """Return the plain data that is equal for runs of the same result: what a fingerprint hashes.

    Args:
        settings: With every value resolved that the result depends on.
        first: The settings that there were when the first such run was made. One that came later
            counts only where it differs from its default, so that earlier runs are found again.
            Where left out, all count.
        before: What earlier runs did where a later setting now has another default.
        ignored: Settings that change nothing in this run.
    """
    return {
        s.name: getattr(settings, s.name)
        for s in specs(type(settings))
        if s.identity and s.name not in ignored
        if not s.later or getattr(settings, s.name) != s.default
        if first is None
        or s.name in first
        or getattr(settings, s.name) != before.get(s.name, s.default)
    }


def conflicting_flags(settings: Any, config: dict[str, Any], own: tuple[str, ...]) -> list[str]:
    """List the flags given, but for those in `own`, that are not as in an earlier run's config."""
    return [
        s.flag
        for s in specs(type(settings))
        if s.name not in own and getattr(settings, s.name) not in (s.default, config.get(s.name))
    ]


def with_preset(settings: T, values: dict[str, Any]) -> T:
    """Fill in a preset's values wherever a setting still has its default."""
    missing = {s.name for s in specs(type(settings)) if getattr(settings, s.name) == s.default}
    changes = {k: v for k, v in values.items() if k in missing}
    return dataclasses.replace(settings, **changes)  # type: ignore[type-var]


def _text(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value}"
