"""What may be set of a map."""

from __future__ import annotations

import dataclasses

from core.settings import MAX_SEED, check, setting
from core.trajectories.features import FEATURES

OF = ("trajectories", "embeddings")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to map and how."""

    trajectories: str = setting(help="Trajectories id", hidden=True)
    of: str = setting(
        "trajectories",
        help="What is mapped: how rows lost their loss, or the proxy's embeddings of their texts",
        choices=OF,
    )
    features: str = setting(
        "raw", help="What two trajectories are compared by", choices=tuple(FEATURES)
    )
    include_start: bool = setting(
        False, help="Also use the losses before training (step 0); of trajectories"
    )
    method: str = setting("umap", help="Projection", choices=("umap", "pca"))
    seed: int = setting(
        0, help="Draws the fitted sample and UMAP's start", minimum=0, maximum=MAX_SEED
    )
    name: str = setting("", help="What to call it", identity=False)

    def __post_init__(self) -> None:
        check(self)
