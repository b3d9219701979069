"""The training loss without the logits that nobody is trained on.

A causal model's own loss projects every token onto the vocabulary, several times over in memory: at
128 rows of 512 tokens and 50,304 words a single copy has 13 GB. Here only the tokens before a
response token are projected, a part at a time; the loss and its gradients are the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.model.scoring import backbone, check_head
from core.model.tokens import IGNORED

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

AT_ONCE = 2**26
"""Logits held at a time: 256 MB in fp32. More are computed again when gradients are."""


@contextlib.contextmanager
def response_loss_only(model: PreTrainedModel) -> Iterator[None]:
    """Let the model's forward return this loss alone, for a while.

    A model that does more to its logits than its output layer keeps its own forward.
    """
    import torch

    try:
        with torch.no_grad():
            check_head(model)
    except InputError:
        yield
        return

    def forward(
        input_ids: torch.Tensor,
        labels: torch.Tensor,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Any,
    ) -> dict[str, torch.Tensor]:
        return {"loss": loss(model, input_ids, labels, num_items_in_batch)}

    model.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        del model.forward  # what others have wrapped around it goes too


def loss(
    model: PreTrainedModel,
    ids: torch.Tensor,
    labels: torch.Tensor,
    items: torch.Tensor | int | None = None,
) -> torch.Tensor:
    """Return the mean loss over the response tokens of a batch (a scalar, nats).

    Args:
        model: One whose logits are its output layer's.
        ids: (n_rows, n_tokens), padded on the right.
        labels: The ids where a token is trained, -100 elsewhere (n_rows, n_tokens).
        items: Divides the summed loss; the batch's own response tokens when None.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    head: Any = model.get_output_embeddings()
    hidden = backbone(model)(input_ids=ids, use_cache=False).last_hidden_state
    row, position = (labels[:, 1:] != IGNORED).nonzero(as_tuple=True)
    states, targets = hidden[row, position], labels[row, position + 1]

    def part(some: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        out = torch.nn.functional.cross_entropy(head(some).float(), wanted, reduction="sum")
        return out

    size = max(1, AT_ONCE // int(model.config.get_text_config().vocab_size))
    if len(states) <= size:
        total = part(states, targets)
    else:
        parts = zip(states.split(size), targets.split(size), strict=True)
        total = torch.stack(
            [checkpoint(part, *p, use_reentrant=False, preserve_rng_state=False) for p in parts]
        ).sum()
    return total / (len(targets) if items is None else items)
