"""The training loss without the logits that nobody is trained on.

A causal model's own loss projects every token onto the vocabulary, several times over in memory: at
128 rows of 512 tokens and 50,304 words a single copy has 13 GB. Here only the tokens before a
response token are projected, a part at a time; the loss and its gradients are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.model.output_layer import OutputLayer, backbone
from core.model.tokens import IGNORED

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

AT_ONCE = 2**26
"""Logits held at a time: 256 MB in fp32. More are computed again when gradients are."""


def loss(
    model: PreTrainedModel,
    out: OutputLayer,
    ids: torch.Tensor,
    labels: torch.Tensor,
    items: int,
    positions: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the summed loss over the response tokens of a batch, divided by `items` (nats).

    Args:
        model: Of which `out` is the output layer.
        out: Projects hidden states.
        ids: (n_rows, n_tokens), padded on the right.
        labels: The ids where a token is trained, -100 elsewhere (n_rows, n_tokens).
        items: Response tokens of the whole step, of which this batch may be a part.
        positions: Of the tokens within their rows, where rows share a sequence
            (n_rows, n_tokens).
    """
    return _sum(model, out, ids, labels, positions, by_row=False)[0] / items


def loss_and_rows(
    model: PreTrainedModel,
    out: OutputLayer,
    ids: torch.Tensor,
    labels: torch.Tensor,
    items: int,
    positions: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the same, and the mean loss of each row's own response tokens (n_rows,)."""
    total, tokens = _sum(model, out, ids, labels, positions, by_row=True)
    row = (labels[:, 1:] != IGNORED).nonzero(as_tuple=True)[0]
    sums = tokens.new_zeros(len(ids)).index_add(0, row, tokens.detach())
    return total / items, sums / row.bincount(minlength=len(ids))


def _sum(
    model: PreTrainedModel,
    out: OutputLayer,
    ids: torch.Tensor,
    labels: torch.Tensor,
    positions: torch.Tensor | None,
    *,
    by_row: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the summed loss, and with `by_row` that of every response token (n,)."""
    import torch
    from torch.utils.checkpoint import checkpoint

    apart = {} if positions is None else {"position_ids": positions}
    hidden = backbone(model)(input_ids=ids, use_cache=False, **apart).last_hidden_state
    row, position = (labels[:, 1:] != IGNORED).nonzero(as_tuple=True)
    states, targets = hidden[row, position], labels[row, position + 1]
    project = out.layer if out.linear else out.logits
    way = "none" if by_row else "sum"

    def part(some: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(project(some).float(), labels, reduction=way)

    size = max(1, AT_ONCE // int(model.config.get_text_config().vocab_size))
    if len(states) <= size:
        losses = part(states, targets)
    else:
        parts = [
            checkpoint(part, *p, use_reentrant=False, preserve_rng_state=False)
            for p in zip(states.split(size), targets.split(size), strict=True)
        ]
        losses = torch.cat(parts) if by_row else torch.stack(parts).sum()
    return losses.sum(), losses
