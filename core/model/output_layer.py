"""From a model's last hidden states to its logits, as the model itself computes them.

Most models multiply by one matrix, and that can be done in tiles of the vocabulary. Some scale or
cap what comes out (Gemma 2, Cohere, Granite): their own forward is then run over the given states,
the layers below it left out, so that whatever a model does to its logits is done to ours.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from core.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

LOUD = 100.0
"""Logits this large show a cap that small ones hide."""
CLOSE = (1e-3, 2e-2)
"""Largest difference from the model's own logits, in fp32 and bf16, as a share of the largest."""


class OutputLayer(NamedTuple):
    """What stands between a model's last hidden states and its logits."""

    layer: Any
    linear: bool
    """Whether the logits are those of `layer` and nothing else."""
    logits: Callable[[torch.Tensor], torch.Tensor]
    """States (n, width) to the model's own logits (n, vocabulary); gradients pass."""


def whole(model: PreTrainedModel) -> Any:
    """Return the causal model inside an adapter's wrapping, or the model itself."""
    adapted: Any = model
    return adapted.get_base_model() if hasattr(model, "peft_config") else model


def backbone(model: PreTrainedModel) -> torch.nn.Module:
    """Return the part of a causal model that gives hidden states, adapters included."""
    return whole(model).base_model  # type: ignore[no-any-return]


def output_layer(model: PreTrainedModel) -> OutputLayer:
    """Return a model's output layer, checked against the model's own logits on a few tokens.

    Raises:
        InputError: it is no model of what comes next, or its logits do not follow from its last
            hidden states.
    """
    import torch

    inner, name = whole(model), type(whole(model)).__name__
    layer: Any = model.get_output_embeddings()
    if layer is None:
        raise InputError(f"{name} has no output layer over its vocabulary; use a causal model")
    known = inner.get_input_embeddings().weight.shape[0]
    ids = torch.arange(1, 9, device=model.device)[None] % known
    with evaluating(inner), torch.no_grad():
        out = inner.base_model(input_ids=ids, use_cache=False)
        states = out.last_hidden_state
        # not inner(...): accelerate puts a bf16 cast around the forward of the instance
        own = type(inner).forward(inner, input_ids=ids, use_cache=False).logits.float()
        close = CLOSE[states.dtype != torch.float32]
        _check_causal(inner, ids, own, name, close)

        def logits(states: torch.Tensor) -> torch.Tensor:
            with _giving(inner.base_model, type(out), states[None]):
                logits = type(inner).forward(inner, input_ids=ids.flip(1), use_cache=False).logits
            return logits[0]  # type: ignore[no-any-return]

        most = float(own.abs().max())

        def apart(ours: torch.Tensor, theirs: torch.Tensor) -> float:
            return float((ours.float() - theirs.float()).abs().max() / theirs.abs().max())

        if apart(logits(states[0]), own[0]) <= close:
            loud = (states[0] * (LOUD / max(most, 1e-6))).to(states.dtype)
            return OutputLayer(layer, apart(logits(loud), layer(loud)) <= close, logits)
        capped = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
        if capped or apart(layer(states[0]), own[0]) > close:
            raise InputError(
                f"the logits of {name} do not follow from its last hidden states, so its losses "
                "cannot be recorded; use another model"
            )
    return OutputLayer(layer, True, logits)


def _check_causal(
    model: Any, ids: torch.Tensor, own: torch.Tensor, name: str, close: float
) -> None:
    """Change the last token: what a causal model says before it stays as it was.

    Raises:
        InputError: it does not.
    """
    import torch

    if not bool(torch.isfinite(own).all()):
        raise InputError(
            f"{name} itself gives nan or infinite logits, before any training; "
            "its weights are damaged, or made for another --precision"
        )
    other = ids.clone()
    other[0, -1] = 0
    then = type(model).forward(model, input_ids=other, use_cache=False).logits.float()
    gap = float((then - own)[0, :-1].abs().max())
    if gap > close * float(own.abs().max()):
        raise InputError(
            f"{name} looks at the tokens that follow, so it is no causal language model and "
            "cannot be trained here; use a decoder-only one, as scratch:small"
        )


@contextlib.contextmanager
def _giving(inner: Any, kind: type[Any], states: torch.Tensor) -> Iterator[None]:
    """Let the backbone answer with given hidden states (1, n, width), whatever it is asked."""
    both = [inner, getattr(inner, "decoder", None)]  # OPT asks the decoder within
    parts = [part for part in both if hasattr(part, "forward")]
    before = [vars(part).get("forward") for part in parts]
    for part in parts:
        part.forward = lambda *args, **kwargs: kind(last_hidden_state=states)
    try:
        yield
    finally:
        for part, was in zip(parts, before, strict=True):
            del part.forward
            if was is not None:
                part.forward = was


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
