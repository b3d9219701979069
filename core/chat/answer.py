"""One answer, written token by token."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from core.chat.settings import Sampling
from core.errors import InputError, one_line
from core.finetune.generate import end_tokens, next_turn
from core.model.chat_template import Refused
from core.model.conversation import Turn
from core.model.loading import positions
from core.model.templates import renderer

Ended = Literal["end", "length", "next turn", "stopped"]


class Answer(NamedTuple):
    """An answer and how it came to its end."""

    text: str
    ended: Ended
    """By the model's end token, at the longest answer, at the template's next turn (which is cut
    off), or because somebody stopped it."""
    tokens: int
    seconds: float
    cut: int
    """Tokens at the beginning of the prompt that found no place."""


def answer(
    model: Any,
    tokenizer: Any,
    template: str,
    talk: list[Turn],
    sampling: Sampling,
    *,
    hear: Callable[[str], None] = lambda piece: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Answer:
    """Answer a conversation; the same one, seed and settings give the same answer.

    Args:
        model: In evaluation mode, where it shall compute.
        template: That it was trained with.
        talk: Turns, the last one a person's.
        sampling: Temperature, longest answer, seed.
        hear: Called with each piece of text as it is written.
        stopped: Asked at every token.

    Raises:
        InputError: the template cannot render the conversation.
    """
    import torch
    from transformers import StoppingCriteria, TextStreamer

    render = renderer(template, tokenizer)
    try:
        text = render(talk, True)
    except Refused as e:
        raise InputError(f"the model's template refuses this conversation: {one_line(e)}") from e
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    longest = min(sampling.tokens, max(1, positions(model) // 2))
    kept = ids[-(positions(model) - longest) :]
    stops, pieces = next_turn(render), [""]

    class Ear(TextStreamer):
        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            pieces[0] += text
            if text:
                hear(text)

    class Stop(StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **more: Any) -> Any:
            done = stopped() or any(mark in pieces[0] for mark in stops)
            return torch.full((len(input_ids),), done, device=input_ids.device, dtype=torch.bool)

    began, ends = time.monotonic(), end_tokens(tokenizer, render)
    how: dict[str, Any] = {"do_sample": False}
    if sampling.temperature:
        how = {"do_sample": True, "temperature": sampling.temperature, "top_k": 0, "top_p": 1.0}
        torch.manual_seed(sampling.seed)
    asked = torch.tensor([kept], device=model.device)
    with torch.no_grad():
        made = model.generate(
            input_ids=asked,
            attention_mask=torch.ones_like(asked),
            max_new_tokens=longest,
            pad_token_id=tokenizer.pad_token_id or 0,
            eos_token_id=ends,
            streamer=Ear(tokenizer, skip_prompt=True, skip_special_tokens=True),
            stopping_criteria=[Stop()],
            **how,
        )[0, len(kept) :].tolist()
    said = tokenizer.decode(made, skip_special_tokens=True)
    ended: Ended = "length" if len(made) >= longest else "stopped"
    if any(mark in said for mark in stops):
        ended = "next turn"
        said = min((said.partition(mark)[0] for mark in stops), key=len)
    elif made and made[-1] in ends:
        ended = "end"
    return Answer(said, ended, len(made), time.monotonic() - began, len(ids) - len(kept))
