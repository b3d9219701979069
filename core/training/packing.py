"""Packing: rows behind one another in one sequence, each read as if it were alone.

Positions begin anew with every row; from them the library keeps rows apart in its attention. Where
a model does not follow them, as those with a running state, rows would be read together: a model is
tried before its first step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.arrays import Bools, Ints
from core.errors import InputError
from core.model.output_layer import OutputLayer, evaluating
from core.model.tokens import Tokens
from core.training.response_loss import loss_and_rows

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

CLOSE, CLOSE_IN_HALF = 1e-4, 2e-2
"""Nats by which a row's loss may differ from that of the row alone: rounding, in fp32 and bf16."""


def bins(lengths: Ints, width: int) -> list[list[int]]:
    """Put rows into as few sequences as first-fit does, longest first; places into `lengths`."""
    out: list[list[int]] = []
    room: list[int] = []
    for i in np.argsort(-lengths, kind="stable").tolist():
        at = next((b for b, free in enumerate(room) if lengths[i] <= free), len(room))
        if at == len(room):
            out.append([])
            room.append(width)
        out[at].append(i)
        room[at] -= int(lengths[i])
    return out


def pack(tokens: Tokens, rows: Ints) -> tuple[Ints, Bools, Ints]:
    """Return ids, response mask and positions of rows in sequences as long as the longest of them.

    All (n_sequences, longest). A row's first token is never predicted, as when it is alone; padding
    is a row of its own at the end.
    """
    parts = [tokens.row(int(r)) for r in rows]
    lengths = np.array([len(ids) for ids, _ in parts])
    width = int(lengths.max())
    groups = bins(lengths, width)
    ids = np.zeros((len(groups), width), np.int64)
    mask = np.zeros((len(groups), width), bool)
    positions = np.zeros((len(groups), width), np.int64)
    for b, group in enumerate(groups):
        start = 0
        for i in group:
            row_ids, row_mask = parts[i]
            end = start + len(row_ids)
            ids[b, start:end], mask[b, start:end] = row_ids, row_mask
            mask[b, start] = False
            positions[b, start:end] = np.arange(end - start)
            start = end
        positions[b, start:] = np.arange(width - start)
    return ids, mask, positions


def check_isolation(model: PreTrainedModel, out: OutputLayer) -> None:
    """Refuse a model that gives a row another loss beside other rows than alone.

    Raises:
        InputError: it does.
    """
    import torch

    known = int(model.config.get_text_config().vocab_size)
    first = torch.arange(3, 14, device=model.device) % known
    second = torch.arange(40, 47, device=model.device) % known
    ids = torch.cat([first, second])[None]
    positions = torch.cat([torch.arange(len(part)) for part in (first, second)])[None]

    def alone_or_not(ids: torch.Tensor, at: torch.Tensor | None) -> float:
        labels = ids.clone()
        labels[0, : -len(second) + 1] = -100  # of the second row, but for its first token
        with torch.no_grad():
            return float(loss_and_rows(model, out, ids, labels, 1, at)[1][0])

    try:
        with evaluating(model):
            packed = alone_or_not(ids, positions.to(model.device))
            gap = abs(packed - alone_or_not(second[None], None))
    except TypeError:  # it takes no positions
        gap = float("inf")
    half = next(model.parameters()).dtype != torch.float32
    if not gap <= (CLOSE_IN_HALF if half else CLOSE):
        raise InputError(
            f"{type(model).__name__} reads across rows that share a sequence, so --packing would "
            "train on mixed rows; leave it away"
        )
