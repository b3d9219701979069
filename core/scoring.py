"""Per-example loss with the current weights: the mean negative log-likelihood per response token.

Rows sorted by length in batches of a token budget, padded on the right without an attention mask,
and the vocabulary projection for response tokens only. Draws no random numbers and leaves the model
in the mode it was in, so it can run in the middle of training.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from core.tokens import Ints, Tokens, batches, pad

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    Head = Callable[[torch.Tensor], torch.Tensor]

TOKEN_BUDGET = {"cpu": 2048, "mps": 8192, "cuda": 65536}
LOGITS_PER_CHUNK = 2**24
"""Vocabulary entries projected at once: 64 MB in fp32."""


class Scores(NamedTuple):
    """What one pass over the rows gives."""

    losses: npt.NDArray[np.float32]
    """Nats per response token (n_rows,); NaN where a row has no response token."""
    pooled: npt.NDArray[np.float16]
    """Mean last hidden state over each row's tokens (n_rows, width); width 0 if not asked for."""


def score(
    model: PreTrainedModel,
    tokens: Tokens,
    rows: Ints,
    *,
    pool: bool = False,
    token_budget: int = 0,
    dtype: torch.dtype | None = None,
    report: Callable[[int], None] | None = None,
) -> Scores:
    """Score rows with the model as it stands.

    Args:
        model: A causal language model, on any device.
        tokens: The tokenized dataset.
        rows: The rows to score (n_rows,), in any order; results come in that order.
        pool: Also average each row's last hidden states.
        token_budget: Padded tokens a batch; 0 picks by device.
        dtype: Of the matrix products; bfloat16 where the GPU has it, else fp32. Sums and the
            softmax are fp32 always.
        report: Called with the number of rows done.
    """
    import torch

    measured = tokens.response_lengths()[rows] > 0
    wanted = rows[measured | pool]
    place = np.zeros(len(tokens), np.int64)
    place[rows] = np.arange(len(rows))
    losses = np.full(len(rows), np.nan, np.float32)
    width = int(model.config.get_text_config().hidden_size) if pool else 0
    pooled = np.zeros((len(rows), width), np.float16)
    head = projection(model)
    device = model.device
    budget = token_budget or TOKEN_BUDGET[device.type]
    done = 0
    if dtype is None:
        on_gpu = device.type == "cuda" and torch.cuda.is_bf16_supported()
        dtype = torch.bfloat16 if on_gpu else torch.float32
    half = dtype != torch.float32
    cast = torch.autocast(device.type, dtype if half else torch.bfloat16, enabled=half)
    with evaluating(model), torch.no_grad(), cast:
        for batch in batches(tokens.lengths(), wanted, budget):
            ids, mask = pad(tokens, batch, pad_id=0)
            at = place[batch]
            sums, hidden = _batch_losses(model, head, ids, mask)
            counts = mask.sum(1)
            has = counts > 0
            losses[at[has]] = sums[has] / counts[has]
            if pool:
                inside = (
                    torch.arange(ids.shape[1])[None]
                    < torch.tensor(np.minimum(tokens.lengths()[batch], ids.shape[1]))[:, None]
                )
                weights = inside.to(device)[..., None]
                means = (hidden.float() * weights).sum(1) / weights.sum(1).clamp(min=1)
                pooled[at] = means.cpu().numpy().astype(np.float16)
            done += len(batch)
            if report:
                report(done)
    return Scores(losses, pooled)


def _batch_losses(
    model: PreTrainedModel,
    head: Head,
    ids: Ints,
    mask: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.float64], torch.Tensor]:
    """Return summed response-token losses (n_rows,) and the last hidden states."""
    import torch

    inputs = torch.from_numpy(ids).to(model.device)
    hidden = backbone(model)(input_ids=inputs, use_cache=False).last_hidden_state
    row, position = torch.from_numpy(mask).nonzero(as_tuple=True)
    row, position = row.to(model.device), position.to(model.device)
    before, targets = hidden[row, position - 1], inputs[row, position]
    chunk = max(1, LOGITS_PER_CHUNK // int(model.config.get_text_config().vocab_size))
    parts = [
        torch.nn.functional.cross_entropy(
            head(before[i : i + chunk]).float(), targets[i : i + chunk], reduction="none"
        )
        for i in range(0, len(before), chunk)
    ]
    sums = torch.zeros(len(ids), dtype=torch.float32, device=model.device)
    if parts:
        sums.index_add_(0, row, torch.cat(parts))
    return sums.cpu().numpy().astype(np.float64), hidden


def backbone(model: PreTrainedModel) -> torch.nn.Module:
    """Return the part of a causal model that gives hidden states, adapters included."""
    adapted: Any = model
    inner = adapted.get_base_model() if hasattr(model, "peft_config") else model
    return inner.base_model  # type: ignore[no-any-return]


def projection(model: PreTrainedModel) -> Head:
    """Return the map from hidden states to logits, checked against the model's own on two tokens.

    Raises:
        ValueError: the model does more to its logits than a linear layer (scaling, soft-capping).
    """
    import torch

    head: Any = model.get_output_embeddings()
    capped = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    with evaluating(model), torch.no_grad():
        ids = torch.tensor([[1, 2]], device=model.device)
        hidden = backbone(model)(input_ids=ids, use_cache=False).last_hidden_state
        own = model(input_ids=ids, use_cache=False).logits.float()
        gap = float((head(hidden).float() - own).abs().max())
    if capped or gap > 1e-3 * float(own.abs().max()):  # a cap hardly shows on small logits
        raise ValueError(
            f"{type(model).__name__} changes its logits after the output layer (by {gap:.3g}), "
            "which the loss recorder does not reproduce; use another model"
        )
    return cast("Head", head)


@contextlib.contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Switch dropout off for a while; parts that were in either mode are so again after."""
    was = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in was:
            module.training = training
