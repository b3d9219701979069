"""What may be set of a measurement of gains."""

from __future__ import annotations

import dataclasses

from core.settings import Group, setting
from core.spec import MAX_SEED


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Group):
    """Whose gains, on how many rows."""

    finetune: str = setting(help="Fine-tune id", hidden=True)
    rows: int = setting(
        2_000,
        help="Rows of the pool that are scored, at most: some of every cluster, the rest in "
        "proportion",
        minimum=1,
    )
    seed: int = setting(0, help="Draws the rows", minimum=0, maximum=MAX_SEED, advanced=True)
