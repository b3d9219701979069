"""What is declared of one setting: its name, its limits, its words, and how a value is checked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

from core.errors import InputError
from core.numbers import LARGEST, number

Auto = Literal["auto"]
LONGEST_NAME = 200
"""Characters of what an artifact is called; a longer one would fill the pages that show it."""
Names = Literal["", "dataset", "model", "losses", "scores", "test set", "tests", "export"]
"""What a text names that is opened: the browser may not name every one there is."""
MAX_SEED = 2**32 - 1
"""The largest that numpy and scikit-learn take."""


def listed(text: str) -> list[str]:
    """Return the parts of a text that commas separate, without repeats."""
    return list(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))


@dataclasses.dataclass(frozen=True)
class Spec:
    """A setting as its readers (parser, form, checks) need it."""

    default: Any = dataclasses.field(default_factory=lambda: dataclasses.MISSING)
    """`dataclasses.MISSING` when required."""
    _: dataclasses.KW_ONLY
    name: str = ""
    """Field name: `batch_size`."""
    kind: type = str
    """int, float, str or bool; the rest of a union with "auto" or None."""
    auto: bool = False
    """Whether the word "auto" is allowed."""
    help: str
    """One sentence, shown by `--help` and under the widget."""
    label: str = ""
    """Of the widget; the field's name with spaces where none is given."""
    choices: tuple[str, ...] = ()
    """The only values allowed; of a `Literal` annotation its words."""
    words: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What a page calls a choice, where the word of the command line says too little."""
    suggestions: tuple[str, ...] = ()
    """Values offered in a list, others allowed."""
    members: tuple[str, ...] = ()
    """Of a list separated by commas: what may stand in it, offered one by one."""
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    """Exclusive lower bound."""
    zero: str = ""
    """What 0 means, in words that a page shows in its place."""
    flags: tuple[str, ...] = ()
    """Other spellings of the flag."""
    repeated: bool = False
    """Whether the flag may be given several times; the value has a line each, so a line break
    within one is written as backslash and n."""
    positional: bool = False
    """Whether it stands on the command line without its flag."""
    advanced: bool = False
    """Shown under "More settings" on the page."""
    hidden: bool = False
    """Only on the command line."""
    names: Names = ""
    """What its text names, where that is opened; empty for a text that is none."""
    identity: bool = True
    """Whether a different value makes it a different run."""
    later: bool = False
    """Came after the first runs: it counts only where it differs from its default, so that earlier
    runs are found again."""

    @property
    def required(self) -> bool:
        return self.default is dataclasses.MISSING

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    def called(self, choice: str) -> str:
        """Return what a page calls a choice."""
        return self.words.get(choice, choice)

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
                raise InputError(f"{self.flag} takes yes or no, not {text!r:.80}")
            return words[text.lower()]
        try:
            value = self.kind(text) if self.kind is str else number(text, self.kind)
        except ValueError:
            noun = {int: "a whole number", float: "a number"}[self.kind]
            noun += " or auto" if self.auto else ""
            raise InputError(f"{self.flag} takes {noun}, not {text!r:.80}") from None
        self.check(value)
        return value

    def check(self, value: Any) -> None:
        """Raise InputError, quoting the flag, when the value is outside the setting's limits."""
        if (self.auto and value == "auto") or (value is None and self.default is None):
            return
        if self.choices and value not in self.choices:
            name = self.name if self.positional else self.flag
            raise InputError(f"{name} is one of {', '.join(self.choices)}; not {value!r:.80}")
        if self.name == "name" and len(value) > LONGEST_NAME:
            raise InputError(
                f"{self.flag} has at most {LONGEST_NAME} characters, not {len(value):,}"
            )
        if self.kind not in (int, float):
            return
        if not isinstance(value, int | self.kind) or isinstance(value, bool):
            noun = "a whole number" if self.kind is int else "a number"
            raise InputError(f"{self.flag} takes {noun}, not {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{self.flag} takes a finite number, not {value!r}")
        if self.minimum is not None and value < self.minimum:
            raise InputError(f"{self.flag} is at least {self.minimum}, not {value}")
        if self.above is not None and value <= self.above:
            raise InputError(f"{self.flag} is more than {self.above}, not {value}")
        maximum = LARGEST[self.kind] if self.maximum is None else self.maximum
        if value > maximum:
            raise InputError(f"{self.flag} is at most {maximum:.12g}, not {value!s:.40}")
