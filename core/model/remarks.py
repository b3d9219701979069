"""What there is to say of rows and of their template before anything is trained on them."""

from __future__ import annotations

import collections
import dataclasses
import pathlib
from collections.abc import Iterable

from core.workspace.files import read_json

SHOWN = 5
"""Rows named in a sentence."""


@dataclasses.dataclass(frozen=True)
class Remarks:
    """What there is to say of rows, and of the template, before anything is trained."""

    refused: dict[int, str] = dataclasses.field(default_factory=dict)
    """Row -> why the template cannot render it; it has no tokens."""
    noted: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    """What is odd about rows that are trained on nevertheless, and which."""
    stop: str = ""
    """The mark put behind replies where the template writes none."""

    @classmethod
    def read(cls, path: pathlib.Path) -> Remarks:
        """Read them from JSON; where there is no file there are none."""
        stored = read_json(path) or {}
        refused = {int(row): why for row, why in stored.get("refused", {}).items()}
        return cls(refused, stored.get("noted", {}), stored.get("stop", ""))

    def facts(self, n: int) -> dict[str, list[str]]:
        """Return what a summary keeps of them: nothing where there is nothing to say."""
        said = self.sentences(n)
        return {"remarks": said} if said else {}

    def sentences(self, n: int) -> list[str]:
        """Say it, with the first rows of each kind; n: rows of the dataset."""
        out = [
            f"{len(rows):,} of {n:,} rows {'are' if len(rows) > 1 else 'is'} skipped "
            f"({named(rows)}): {reason}"
            for reason, rows in by_reason(self.refused)
        ]
        for what, rows in self.noted.items():
            out.append(f"{len(rows):,} of {n:,} rows ({named(rows)}): {what}")
        if self.stop:
            out.append(
                f"the template writes no mark behind a reply, so {self.stop!r} is put there and "
                "trained: without it the model would not learn to end"
            )
        return out


FILLED = "its prompt fills all {:,} tokens"
"""Why a row that was cut has no response token."""


def remedy(reason: str) -> str:
    """Return what to change where no row can be trained on for this reason."""
    return "raise --max-length" if was_cut(reason) else "choose another --template or --model"


def was_cut(reason: str) -> bool:
    """Return whether a row has no response token only because it was cut."""
    return reason.startswith(FILLED.partition("{")[0])


def by_reason(reasons: dict[int, str]) -> list[tuple[str, list[int]]]:
    """Group rows by why, the commonest reason first."""
    groups: dict[str, list[int]] = collections.defaultdict(list)
    for row, why in reasons.items():
        groups[why].append(row)
    return sorted(groups.items(), key=lambda group: -len(group[1]))


def named(rows: Iterable[int]) -> str:
    """Name the first rows of a group."""
    rows = list(rows)
    listed = ", ".join(f"{r:,}" for r in rows[:SHOWN])
    more = " and more" if len(rows) > SHOWN else ""
    return f"row{'s' if len(rows) > 1 else ''} {listed}{more}"
