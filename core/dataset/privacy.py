"""Private datasets: their texts are read in the reader, and stand nowhere else."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator

from core.errors import InputError
from core.workspace.artifact import Artifact

HIDDEN = "(private)"
"""What stands where a text would."""


def is_private(artifact: Artifact) -> bool:
    """Return whether the dataset that an artifact is, or is made from, was marked private."""
    return bool(artifact.ancestor("dataset").config.get("private", False))


def unquoted(said: str, known: Iterable[str] = ()) -> str:
    """Return what a sentence says before it first quotes something; then HIDDEN.

    Args:
        said: A reason, or the message of an error: what a file holds stands in quotation marks or
            brackets, and may stand bare behind them.
        known: What the person wrote, which may be quoted.
    """
    kept = sorted({HIDDEN, *filter(None, known), *map(repr, filter(None, known))}, key=len)
    pattern = "|".join(map(re.escape, reversed(kept)))
    for match in re.finditer(f"(?:{pattern})|(?P<quotation>there (?:are|is) |['\"(\\[{{])", said):
        if match["quotation"]:
            return f"{said[: match.start()].rstrip(' :,;')} {HIDDEN}"
    return said


@contextlib.contextmanager
def unquoting(known: Iterable[str]) -> Iterator[None]:
    """Let an error say what is wrong with a private file without quoting it.

    Raises:
        InputError: one was raised within.
    """
    known = list(known)
    try:
        yield
    except InputError as e:
        said = unquoted(str(e), known)
        if said == str(e):
            raise
        raise InputError(
            f"{said}; what the file holds is not quoted, since it is private: look at its first "
            "lines and name its columns with --map",
            failure=e.failure,
            fix=e.fix,
        ) from None
