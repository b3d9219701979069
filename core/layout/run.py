"""A 2-D map of the trajectories, or of the texts; it does not depend on the number of clusters.

UMAP runs only in a worker process: its threads do not survive a fork.
"""

from __future__ import annotations

import numpy as np

from core.layout.artifact import seal
from core.layout.projection import place
from core.layout.settings import FIRST, Settings
from core.settings import identity, to_config
from core.trajectories import embeddings
from core.trajectories.artifact import from_start, load_flags, load_losses
from core.workspace.artifact import Artifact
from core.workspace.files import fingerprint
from core.workspace.store import Workspace


def run(workspace: Workspace, settings: Settings) -> str:
    """Make the layout, or return the id of the one that exists."""
    trajectories = workspace.open(settings.trajectories, "trajectories")
    same = find(workspace, settings)
    if same is not None:
        return same.id
    of_texts = settings.of == "embeddings"
    values = embeddings.load(trajectories) if of_texts else np.asarray(load_losses(trajectories))
    draft = workspace.draft(
        "layout",
        name=settings.name or f"{trajectories.name} · {_what(settings)}",
        config=to_config(settings),
        parents={"trajectories": trajectories.id},
        fingerprint=key(settings),
    )
    try:
        xy, fitted = place(
            values,
            load_flags(trajectories)["id"].to_numpy(),
            settings.features,
            of=settings.of,
            include_start=from_start(trajectories, settings.include_start),
            method=settings.method,
            seed=settings.seed,
        )
        return seal(draft, xy, fitted).id
    except BaseException:  # half a map cannot be continued
        draft.discard()
        raise


def find(workspace: Workspace, settings: Settings) -> Artifact | None:
    """Return the sealed layout of the same settings."""
    return workspace.same("layout", key(settings))


def key(settings: Settings) -> str:
    """Return the fingerprint of the map that these settings give."""
    ignored = () if settings.of == "trajectories" else ("features", "include_start")
    return fingerprint("layout", identity(settings, first=FIRST, ignored=ignored))


def _what(settings: Settings) -> str:
    return f"{settings.method} of texts" if settings.of == "embeddings" else settings.method
