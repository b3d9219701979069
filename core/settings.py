"""One declaration per setting: command-line flag, form widget and manifest entry at once.

A stage declares a frozen, keyword-only dataclass whose fields are made by `setting()`. Nothing else
in the project repeats a name, a default, a limit or a help text.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from core.errors import InputError

Auto = Literal["auto"]
MAX_SEED = 2**32 - 1
"""The largest that numpy and scikit-learn take."""
T = TypeVar("T")


def setting(
    default: Any = dataclasses.MISSING,
    *,
    help: str,
    label: str = "",
    choices: tuple[str, ...] = (),
    suggestions: tuple[str, ...] = (),
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    flags: tuple[str, ...] = (),
    advanced: bool = False,
    hidden: bool = False,
    identity: bool = True,
) -> Any:
    """Declare one field of a settings dataclass.

    Args:
        default: Value when the user says nothing; without one the flag is required.
        help: One sentence, shown by `--help` and under the widget.
        label: Widget label; the field's name with spaces when empty.
        choices: The only values allowed.
        suggestions: Values offered in a list, others allowed.
        minimum: Smallest value allowed.
        maximum: Largest value allowed.
        above: Exclusive lower bound.
        flags: Other spellings of the flag.
        advanced: Shown under "More settings" on the page.
        hidden: Only on the command line.
        identity: Whether a different value makes it a different run (counts in the fingerprint).
    """
    metadata = {
        "help": help,
        "label": label,
        "choices": choices,
        "suggestions": suggestions,
        "minimum": minimum,
        "maximum": maximum,
        "above": above,
        "flags": flags,
        "advanced": advanced,
        "hidden": hidden,
        "identity": identity,
    }
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Spec:
    """A setting as its readers (parser, form) need it."""

    name: str
    """Field name: `batch_size`."""
    kind: type
    """int, float, str or bool; the rest of a union with "auto"."""
    auto: bool
    """Whether the word "auto" is allowed."""
    default: Any
    """`dataclasses.MISSING` when required."""
    meta: dict[str, Any]

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def label(self) -> str:
        return self.meta["label"] or self.name.replace("_", " ").capitalize()

    def parse(self, text: str) -> Any:
        """Turn command-line text into a checked value.

        Raises:
            InputError: the text is not of the setting's kind or outside its limits.
        """
        if self.auto and text == "auto":
            return text
        value: Any
        if self.kind is bool:
            words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
            if text.lower() not in words:
                raise InputError(f"{self.flag} takes yes or no, not {text!r}")
            return words[text.lower()]
        try:
            value = self.kind(text)
        except ValueError:
            noun = {int: "a whole number", float: "a number"}[self.kind]
            noun += " or auto" if self.auto else ""
            raise InputError(f"{self.flag} takes {noun}, not {text!r}") from None
        self.check(value)
        return value

    def check(self, value: Any) -> None:
        """Raise InputError, quoting the flag, when the value is outside the setting's limits."""
        if self.auto and value == "auto":
            return
        m = self.meta
        if m["choices"] and value not in m["choices"]:
            raise InputError(f"{self.flag} is one of {', '.join(m['choices'])}; not {value!r}")
        if self.kind not in (int, float):
            return
        if not isinstance(value, int | self.kind) or isinstance(value, bool):
            noun = "a whole number" if self.kind is int else "a number"
            raise InputError(f"{self.flag} takes {noun}, not {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{self.flag} takes a finite number, not {value!r}")
        if m["minimum"] is not None and value < m["minimum"]:
            raise InputError(f"{self.flag} is at least {m['minimum']}, not {value}")
        if m["above"] is not None and value <= m["above"]:
            raise InputError(f"{self.flag} is more than {m['above']}, not {value}")
        if m["maximum"] is not None and value > m["maximum"]:
            raise InputError(f"{self.flag} is at most {m['maximum']}, not {value}")


def specs(cls: type) -> list[Spec]:
    """List the settings of a dataclass: the required ones, then the others, as they are declared.

    Of several bases the last one's come first.
    """
    hints = get_type_hints(cls)
    out = []
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        members = [hint] if get_origin(hint) is None else list(get_args(hint))
        auto = any(get_origin(m) is Literal and "auto" in get_args(m) for m in members)
        kind = next((m for m in members if m in (int, float, str, bool)), str)
        out.append(Spec(field.name, kind, auto, field.default, dict(field.metadata)))
    return sorted(out, key=lambda spec: spec.default is not dataclasses.MISSING)


def check(settings: Any) -> None:
    """Check every value of a settings object; call it from `__post_init__`.

    A whole number given for a float becomes one, so that 3 and 3.0 are the same run.
    """
    for spec in specs(type(settings)):
        value = getattr(settings, spec.name)
        spec.check(value)
        if spec.kind is float and isinstance(value, int):
            object.__setattr__(settings, spec.name, float(value))


def add_flags(parser: argparse.ArgumentParser, cls: type) -> None:
    """Add one flag per setting; values stay text until `from_args`."""
    for spec in specs(cls):
        required = spec.default is dataclasses.MISSING
        shown = "" if required or spec.default == "" else f" (default: {_text(spec.default)})"
        choices = f" [{' | '.join(spec.meta['choices'])}]" if spec.meta["choices"] else ""
        parser.add_argument(
            spec.flag,
            *spec.meta["flags"],
            dest=spec.name,
            default=argparse.SUPPRESS,
            required=required,
            nargs="?" if spec.kind is bool else None,
            const="yes" if spec.kind is bool else None,
            metavar="yes|no" if spec.kind is bool else spec.name.upper(),
            help=(spec.meta["help"] + choices + shown).replace("%", "%%"),
        )


def from_args(cls: type[T], values: dict[str, str]) -> T:
    """Build a settings object from parsed flag texts.

    Raises:
        InputError: a value is malformed or out of range; the message names the flag.
    """
    return cls(**{s.name: s.parse(values[s.name]) for s in specs(cls) if s.name in values})


def from_argv(cls: type[T], argv: Sequence[str]) -> T:
    """Build a settings object from flags, as `to_argv` lists them.

    Raises:
        InputError: a flag is missing, unknown or has a value it does not take.
    """
    parser = _Parser(add_help=False, allow_abbrev=False)
    add_flags(parser, cls)
    return from_args(cls, vars(parser.parse_args(argv)))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def to_argv(settings: Any) -> list[str]:
    """List the flags that give these settings; defaults are left out."""
    argv = []
    for spec in specs(type(settings)):
        value = getattr(settings, spec.name)
        if value != spec.default:
            text = _text(value)  # a text that begins with a dash would read as a flag
            argv += [f"{spec.flag}={text}"] if text.startswith("-") else [spec.flag, text]
    return argv


def to_config(settings: Any, *, identity: bool = False) -> dict[str, Any]:
    """Return the settings as plain data; `identity` keeps only what defines the run."""
    return {
        s.name: getattr(settings, s.name)
        for s in specs(type(settings))
        if s.meta["identity"] or not identity
    }


def foreign(settings: Any, config: dict[str, Any], own: tuple[str, ...]) -> list[str]:
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
