"""Answers by greedy decoding: conversations in a template, in batches of similar length.

A batch is padded on the left and keeps the keys and values of what was read, so that each new token
costs one step for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from core.jobs.progress import Progress, Stopped, stop_requested
from core.model.chat_template import Refused
from core.model.conversation import Turn, is_trained
from core.model.loading import positions
from core.model.output_layer import evaluating
from core.model.rendering import Render, Renderer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DECODE_BATCH = 64


class Answered(NamedTuple):
    """What a model said to one item."""

    text: str
    prompt: str
    """As the model read it."""
    at_limit: bool
    """Whether it ended only because an answer may not be longer."""


def next_turn(render: Render) -> tuple[str, ...]:
    """Return what a template writes before a person's next turn: there an answer has ended."""
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    try:
        one = render(turns, False).rstrip()
        two = render([*turns, {"role": "user", "content": "\u2042"}], False)
    except Exception:  # a template may refuse a second turn; then there is nothing to run on into
        return ()
    lead = two[len(one) :].partition("\u2042")[0].strip() if two.startswith(one) else ""
    return (lead,) if len(lead) > 1 else ()


def questions(messages: list[Turn]) -> list[Turn]:
    """Return the turns before the last reply that is the model's; all where there is none.

    Replies that follow one another are one answer, but a call of a tool is not: its result is read.
    """
    last = max((i for i, turn in enumerate(messages) if is_trained(turn)), default=len(messages))
    while 0 < last < len(messages) and messages[last - 1]["role"] == "assistant":
        last -= 1
    return messages[:last]


def renders(render: Render, talk: list[Turn]) -> bool:
    """Return whether a template can ask these turns."""
    try:
        return bool(render(talk, True))
    except Refused:
        return False


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    render: Renderer,
    conversations: list[list[Turn]],
    *,
    max_length: int,
    max_new: int,
    batch: int = DECODE_BATCH,
    quiet: bool = False,
) -> list[Answered]:
    """Answer conversations greedily, in batches of similar length, padded on the left.

    A prompt that leaves no room for its answer within the model's positions loses its beginning.
    A `quiet` call, amid a training, reports nothing and is not stopped: it is short.

    Raises:
        Stopped: someone asked for it.
    """
    import torch

    room = positions(model)
    max_new = min(max_new, room // 2)
    keep = min(max_length, room - max_new)
    ends = end_tokens(tokenizer, render)
    texts = [render(c, True) for c in conversations]
    prompts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    out = [Answered("", text, False) for text in texts]
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    progress = None if quiet else Progress("answer test items", len(prompts))
    decode: Any = model.generate
    with evaluating(model), torch.no_grad():
        for start in range(0, len(order), batch):
            if progress and stop_requested():
                raise Stopped("stopped while answering test items; --resume tests again")
            part = order[start : start + batch]
            kept = [prompts[i][-keep:] for i in part]
            width = max(map(len, kept))
            pad = tokenizer.pad_token_id or 0
            ids = torch.full((len(part), width), pad)
            mask = torch.zeros_like(ids)
            for j, prompt in enumerate(kept):
                ids[j, width - len(prompt) :] = torch.tensor(prompt)
                mask[j, width - len(prompt) :] = 1
            made = decode(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                max_new_tokens=max_new,
                do_sample=False,
                pad_token_id=pad,
                eos_token_id=ends,
            )
            new = made[:, width:]
            said = tokenizer.batch_decode(new, skip_special_tokens=True)
            open_ended = (~torch.isin(new, torch.tensor(ends, device=new.device))).all(1)
            full = open_ended & (new.shape[1] >= max_new)
            for i, text, at_limit in zip(part, said, full.tolist(), strict=True):
                out[i] = Answered(text, texts[i], at_limit)
            if progress:
                progress.update(min(start + batch, len(order)))
    return out


def end_tokens(tokenizer: PreTrainedTokenizerBase, render: Renderer) -> list[int]:
    """Return the tokens that end an answer: end of text, and the template's end of turn."""
    marks = (*render.marks.ends, render.marks.stop, render.marks.call_stop)
    ends = {tokenizer.convert_tokens_to_ids(mark) for mark in marks if mark}
    return sorted(e for e in {*ends, tokenizer.eos_token_id} if e is not None)
