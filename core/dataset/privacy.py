"""Private datasets: their texts are read in the reader, and stand nowhere else."""

from __future__ import annotations

from core.workspace.artifact import Artifact

HIDDEN = "(private)"
"""What stands where a text would."""


def is_private(artifact: Artifact) -> bool:
    """Return whether the dataset that an artifact is, or is made from, was marked private."""
    return bool(artifact.ancestor("dataset").config.get("private", False))
