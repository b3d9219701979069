"""Per-example loss with the current weights: the mean negative log-likelihood per response token.

Rows sorted by length in batches of a token budget, padded on the right without an attention mask,
and the vocabulary projection for response tokens only, a tile at a time so that logits stay in the
cache. Draws no random numbers and leaves the model as it was, so it can run in the middle of
training.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from core.arrays import Ints
from core.errors import InputError
from core.jobs.failures import name_of
from core.jobs.progress import say
from core.model.loading import in_bf16
from core.model.output_layer import backbone, evaluating, output_layer
from core.model.tokens import Tokens, batches, pad

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

TOKEN_BUDGET = {"cpu": (2048, 4096), "mps": (8192, 8192), "cuda": (65536, 65536)}
"""Padded tokens a batch, in fp32 and in bf16."""
TILE = {"cpu": (512, 4096), "mps": (1024, 8192), "cuda": (8192, 16384)}
"""Response tokens and vocabulary entries projected at once."""
WHOLE = 2**26
"""Logits held at once where they cannot be had in tiles: 256 MB in fp32."""


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
    pool: bool | Literal["by position"] = False,
    token_budget: int = 0,
    precision: str = "auto",
    report: Callable[[int], None] | None = None,
) -> Scores:
    """Score rows with the model as it stands.

    When memory runs out, the batches are halved and the work goes on.

    Args:
        model: A causal language model, on any device.
        rows: The rows to score (n_rows,), in any order; results come in that order.
        pool: Also average each row's last hidden states: over all its tokens alike, or by
            position, the n-th token counting n times.
        token_budget: Padded tokens a batch; 0 picks by device.
        precision: Of the weights while scoring: fp32, bf16, or auto (bf16 on a GPU that has it).
            Softmax and sums are fp32 always.
        report: Called with the number of rows done.

    Raises:
        InputError: not even one row fits into memory, or as `output_layer`.
    """
    import torch

    measured = tokens.response_lengths()[rows] > 0
    scored = rows[measured | bool(pool)]
    place = np.zeros(len(tokens), np.int64)
    place[rows] = np.arange(len(rows))
    losses = np.full(len(rows), np.nan, np.float32)
    width = int(model.config.get_text_config().hidden_size) if pool else 0
    pooled = np.zeros((len(rows), width), np.float16)
    lengths = tokens.lengths()
    half = in_bf16(precision, model.device.type)
    budget = token_budget or TOKEN_BUDGET[model.device.type][half]
    done = 0
    with evaluating(model), torch.no_grad():
        view = _view(model, half)
        queue = collections.deque(batches(lengths, scored, budget))
        while queue:
            batch = queue.popleft()
            ids, mask = pad(tokens, batch, pad_id=0)
            try:
                sums, hidden = _batch_losses(view, ids, mask)
            except RuntimeError as e:
                if "memory" not in str(e).lower():
                    raise
                if len(batch) == 1:
                    raise InputError(
                        f"out of memory while scoring one row of {ids.shape[1]:,} tokens; lower "
                        "--max-length, or take a smaller model",
                        failure=name_of(e) or "device-memory",
                    ) from e
                budget = ids.size // 2
                say(f"out of memory with {ids.size:,} tokens a batch; going on with {budget:,}")
                rest = np.concatenate([batch, *queue])
                queue = collections.deque(batches(lengths, rest, budget))
                continue
            at, counts = place[batch], mask.sum(1)
            has = counts > 0
            losses[at[has]] = sums[has] / counts[has]
            if pool:
                pooled[at] = _means(
                    hidden, np.minimum(lengths[batch], ids.shape[1]), pool == "by position"
                )
            done += len(batch)
            if report:
                report(done)
    return Scores(losses, pooled)


class _View(NamedTuple):
    """A model as scoring uses it, possibly with other weights than its own."""

    hidden: Callable[[torch.Tensor], torch.Tensor]
    """Ids (n_rows, n_tokens) to last hidden states (n_rows, n_tokens, width)."""
    logits: Callable[[torch.Tensor], Iterator[torch.Tensor]]
    """Hidden states (n, width) to fp32 logits in tiles of the vocabulary (n, tile)."""
    device: torch.device
    at_once: int
    """Hidden states turned into logits at a time."""


def _view(model: PreTrainedModel, half: bool) -> _View:
    """Look at a model in fp32, or in bf16 through a copy of its weights; it stays as it is.

    Raises:
        InputError: as `output_layer`.
    """
    import torch

    inner, out = backbone(model), output_layer(model)
    head = out.layer
    kind = torch.bfloat16 if half else torch.float32
    # a head that is more than a matrix (an adapter's) is taken as it is
    plain = out.linear and type(head) is torch.nn.Linear
    weight = head.weight.to(kind) if plain else None
    bias = head.bias.to(kind) if plain and head.bias is not None else None
    cast = {n: p.to(kind) for n, p in inner.named_parameters()} if half else {}
    own_kind = next(head.parameters()).dtype
    size = TILE[model.device.type][1]

    def hidden(ids: torch.Tensor) -> torch.Tensor:
        asked = {"input_ids": ids, "use_cache": False}
        out: Any = torch.func.functional_call(inner, cast, (), asked) if half else inner(**asked)
        return out.last_hidden_state  # type: ignore[no-any-return]

    def logits(states: torch.Tensor) -> Iterator[torch.Tensor]:
        if weight is None:
            yield (head if out.linear else out.logits)(states.to(own_kind)).float()
            return
        for start in range(0, len(weight), size):
            part = slice(start, start + size)
            own = bias[part] if bias is not None else None
            yield torch.nn.functional.linear(states, weight[part], own).float()

    vocabulary = int(model.config.get_text_config().vocab_size)
    tile = TILE[model.device.type][0]
    at_once = tile if weight is not None else min(tile, max(1, WHOLE // vocabulary))
    return _View(hidden, logits, model.device, at_once)


def _batch_losses(
    view: _View, ids: Ints, mask: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], torch.Tensor]:
    """Return summed response-token losses (n_rows,) and the last hidden states."""
    import torch

    inputs = torch.from_numpy(ids).to(view.device)
    hidden = view.hidden(inputs)
    row, position = (torch.from_numpy(i).to(view.device) for i in mask.nonzero())
    before, targets = hidden[row, position - 1], inputs[row, position]
    sums = torch.zeros(len(ids), dtype=torch.float32, device=view.device)
    for start in range(0, len(row), view.at_once):
        part = slice(start, start + view.at_once)
        sums.index_add_(0, row[part], _token_losses(view, before[part], targets[part]))
    return sums.cpu().numpy().astype(np.float64), hidden


def _token_losses(view: _View, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return -log softmax(logits)[target] of every token (n,), a tile of logits at a time."""
    import torch

    total, own, start = [], torch.zeros(len(states), device=view.device), 0
    for logits in view.logits(states):
        at = targets - start
        here = (at >= 0) & (at < logits.shape[1])
        target = logits.gather(1, at.clamp(0, logits.shape[1] - 1)[:, None])[:, 0]
        own = torch.where(here, target, own)
        most = logits.amax(1, keepdim=True)
        sums = logits.sub_(most).exp_().sum(1)  # in place: logsumexp would copy the tile
        total.append(most[:, 0] + sums.log())
        start += logits.shape[1]
    return (torch.stack(total, 1).logsumexp(1) if len(total) > 1 else total[0]) - own


def _means(hidden: torch.Tensor, lengths: Ints, by_position: bool) -> npt.NDArray[np.float16]:
    """Average the hidden states of each row over its own tokens (n_rows, width)."""
    import torch

    inside = torch.arange(hidden.shape[1])[None] < torch.from_numpy(lengths)[:, None]
    weights = inside.to(hidden.device)[..., None]
    if by_position:
        weights = (
            weights * torch.arange(1, hidden.shape[1] + 1, device=hidden.device)[None, :, None]
        )
    means = (hidden.float() * weights).sum(1) / weights.sum(1).clamp(min=1)
    out: npt.NDArray[np.float16] = means.cpu().numpy().astype(np.float16)
    return out
