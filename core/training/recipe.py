"""What defines a training run besides model and data."""

from __future__ import annotations

import dataclasses

SAVE_SECONDS = 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that defines a training run besides model and data."""

    steps: int
    batch_size: int
    lr: float
    seed: int
    warmup: float = 0.03
    """Share of the steps."""
    weight_decay: float = 0.0
    precision: str = "auto"
    """Of the matrix products: fp32, bf16, or auto (bf16 on a GPU that has it)."""
    micro_batch: int | str = "auto"
    """Rows of full length that go through the model at once."""
    save_seconds: float = SAVE_SECONDS
    lr_schedule: str = "cosine"
    clip: float = 1.0
    """Norm above which gradients are scaled down; 0 never."""
    gradient_checkpointing: bool | str = False
    """Whether what layers put out is computed again for the gradients instead of kept, or auto."""
    token_budget: int = 0
    """Padded tokens that go through the model at once, where that was found; 0 by micro_batch."""
    packing: bool = False
    """Whether short rows share a sequence, each read by itself."""
    shard: bool = False
    """Whether the model is split over the processes."""
    neftune: float = 0.0
    """Alpha of the noise on embeddings while training; 0 is none."""
