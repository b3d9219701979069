"""How an answer is written: the same for all models that are asked side by side."""

from __future__ import annotations

import dataclasses

from core.settings import Group, setting
from core.spec import MAX_SEED


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling(Group):
    """Temperature, length and seed of an answer."""

    temperature: float = setting(
        0.0,
        help="0 takes the likeliest token always; 1 draws as the model itself would",
        minimum=0,
        maximum=2,
    )
    tokens: int = setting(
        256, help="Longest answer, in tokens", label="Longest answer", minimum=1, maximum=4_096
    )
    seed: int = setting(
        0,
        help="Of the draws: the same seed and prompt, the same answer",
        minimum=0,
        maximum=MAX_SEED,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Talk(Sampling):
    """Whom to ask what."""

    id: str = setting(help="Fine-tune id", positional=True)
    prompt: str = setting(help="What to ask")
    others: str = setting(
        "", help="Also asked, at most 3, with commas between: base, or other fine-tunes' ids"
    )
