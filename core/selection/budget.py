"""Budgets: their grammar, the same everywhere, how groups share one, and how long it trains."""

from __future__ import annotations

import dataclasses
import re
from typing import Literal

from core.clusters.kmeans import rows_of_share
from core.errors import InputError

GRAMMAR = "a number of rows (30000), a share (0.11 or 11%) or response tokens (500k tokens)"

PATTERN = re.compile(
    r"([+-]?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+))"
    r"\s*(k|m|g)?\s*(%|tokens?|rows?)?"
)
"""Commas part thousands only: 0,11 is refused, not read as 11 rows."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """How much to select."""

    kind: Literal["rows", "share", "tokens"]
    value: float
    """Rows, a share in (0, 1], or response tokens."""

    def rows(self, pool: int) -> int:
        """Return the number of rows this is of a pool; at least one.

        Raises:
            InputError: more rows than the pool has, or a token budget (which has no row count).
        """
        if self.kind == "tokens":
            raise InputError("a token budget has no fixed number of rows")
        if self.kind == "share":
            return rows_of_share(self.value, pool)
        if self.value > pool:
            raise InputError(
                f"the budget of {self.value:,.0f} rows is more than the {pool:,} eligible rows; "
                "lower it"
            )
        return int(self.value)

    def __str__(self) -> str:
        if self.kind == "share":
            return f"{100 * self.value:g}%"
        return f"{self.value:,.0f} {self.kind}"


def parse(text: str) -> Budget:
    """Read a budget.

    Raises:
        InputError: not of the grammar, or zero, negative, or above 100%.
    """
    match = PATTERN.fullmatch(text.strip().lower())
    if not match:
        percent = re.fullmatch(r"\s*([0-9.]+)\s*(?:percent|per cent|pct)\s*", text.lower())
        remedy = f"; write {percent[1]}%" if percent else ""
        raise InputError(f"the budget {text!r} is not {GRAMMAR}{remedy}")
    number, scale, unit = match.groups()
    value = float(number.replace(",", "")) * {"k": 1e3, "m": 1e6, "g": 1e9}.get(scale or "", 1)
    if not 0 < value < 1e15 or (unit == "%" and scale):
        raise InputError(f"the budget {text!r} must be more than 0 and {GRAMMAR}")
    if unit == "%":
        value /= 100
    if unit == "%" or (unit is None and scale is None and "." in number and value <= 1):
        if value > 1:
            raise InputError(f"the budget {text!r} is above 100%")
        return Budget("share", value)
    if value != int(value):
        raise InputError(f"the budget {text!r} is not a whole number; it is {GRAMMAR}")
    return Budget("tokens" if unit and unit.startswith("token") else "rows", value)
