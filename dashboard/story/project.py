"""What a story is about: one study or selection, and all that it was made from."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from core.errors import InputError
from core.workspace.artifact import Artifact, Entry
from dashboard.frame import state


class Project(NamedTuple):
    """A lineage as far as it exists."""

    dataset: Artifact
    trajectories: Artifact | None = None
    clusters: Artifact | None = None
    selection: Artifact | None = None
    study: Artifact | None = None


DOWNSTREAM = ("study", "selection", "clusters", "trajectories", "dataset")
"""The newest usable artifact of the first kind that there is settles the project."""


def newest(usable: list[Entry]) -> Project | None:
    """Return the project of the newest study, else of the newest artifact further up."""
    for kind in DOWNSTREAM:
        for entry in usable:
            if entry.kind == kind:
                with contextlib.suppress(InputError):
                    return of(state.workspace().open(entry.id))
    return None


def of(artifact: Artifact) -> Project:
    """Return what an artifact was made from; of a study also the selection that s2l drew for it.

    Raises:
        InputError: something of it is damaged.
    """
    kind = artifact.kind
    dataset = artifact if kind == "dataset" else artifact.ancestor("dataset")
    found: dict[str, Artifact] = {kind: artifact} if kind != "dataset" else {}
    for above in ("trajectories", "clusters"):
        if kind != above and DOWNSTREAM.index(kind) < DOWNSTREAM.index(above):
            with contextlib.suppress(InputError, KeyError):  # random draws come from no clusters
                found[above] = artifact.ancestor(above)  # type: ignore[arg-type]
    if kind == "study":
        arms = [id for role, id in artifact.parents.items() if role.startswith("s2l ")]
        if arms:
            found["selection"] = artifact.open(arms[0]).ancestor("selection")
    return Project(dataset, **found)
