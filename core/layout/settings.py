"""What may be set of a map."""

from __future__ import annotations

import dataclasses
from typing import Literal

from core.settings import Group, setting
from core.spec import MAX_SEED
from core.trajectories.features import FEATURES

FIRST = ("trajectories", "features", "include_start", "method", "seed")
"""Settings of layouts from when only trajectories were mapped."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Group):
    """What to map and how."""

    trajectories: str = setting(help="Trajectories id", hidden=True)
    of: Literal["trajectories", "embeddings"] = setting(
        "trajectories",
        help="What is mapped: how rows lost their loss, or the proxy's embeddings of their texts",
    )
    features: str = setting(
        "raw", help="What two trajectories are compared by", choices=tuple(FEATURES)
    )
    include_start: bool = setting(
        False, help="Also use the losses before training (step 0); of trajectories"
    )
    method: Literal["umap", "pca"] = setting("umap", help="Projection")
    seed: int = setting(
        0, help="Draws the fitted sample and UMAP's start", minimum=0, maximum=MAX_SEED
    )
    name: str = setting("", help="What to call it", identity=False)
