"""What may be set of a clustering."""

from __future__ import annotations

import dataclasses

from core.settings import Group, setting
from core.spec import MAX_SEED, Auto
from core.trajectories.features import FEATURES

FIRST = ("trajectories", "k", "features", "include_start", "seed")
"""Settings that there always were."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Group):
    """How to cut the trajectories into clusters."""

    trajectories: str = setting(help="Trajectories id", hidden=True)
    k: int | Auto = setting(
        "auto",
        help="Clusters; auto is 100, but never below 10 selected rows a cluster at 11%",
        label="Clusters (K)",
        minimum=1,
    )
    features: str = setting(
        "raw",
        help="raw losses (the paper); centred or zscore compare shapes; diff compares changes",
        choices=tuple(FEATURES),
    )
    include_start: bool = setting(
        False, help="Also use the losses before training (step 0)", advanced=True
    )
    seed: int = setting(
        0, help="Draws the first centres", minimum=0, maximum=MAX_SEED, advanced=True
    )
    extend: str = setting(
        "",
        flags=("--from",),
        help="Clusters id: instead of clustering, keep its clusters, and give each row that it "
        "does not have to the nearest centre",
        hidden=True,
    )
    without: int = setting(
        0,
        help="Leave out the rows that are excluded after the first N edits of the dataset's log; "
        "0 leaves none out",
        minimum=0,
        hidden=True,
    )
    map: bool = setting(True, help="Also draw the map", identity=False, hidden=True)
    name: str = setting("", help="What to call it", identity=False)
