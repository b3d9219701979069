"""Answers by greedy decoding: conversations in a template, in batches of similar length.

A batch is padded on the left and keeps the keys and values of what was read, so that each new token
costs one step for all. Most answers are short and a batch lasts as long as its longest, so all are
given a few tokens first, and those that have not ended go on in batches of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.arrays import Ints
from core.finetune.answer_memory import at_once
from core.finetune.answer_stages import stages
from core.finetune.answers_left import AnswersLeft
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
    usual: Ints | None = None,
) -> list[Answered]:
    """Answer conversations greedily, in batches of similar length, as many as memory holds.

    A prompt that leaves no room for its answer within the model's positions loses its beginning.
    A `quiet` call, amid a training, reports nothing and is not stopped: it is short.

    Args:
        usual: Lengths in tokens that answers may be expected to have, for the time left.

    Raises:
        Stopped: someone asked for it.
    """
    import torch

    if not conversations:
        return []
    room = positions(model)
    max_new = min(max_new, room // 2)
    keep = min(max_length, room - max_new)
    ends = end_tokens(tokenizer, render)
    texts = [render(c, True) for c in conversations]
    prompts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    read = [prompt[-keep:] for prompt in prompts]
    batch = at_once(model, batch, max(map(len, read)) + max_new)
    new: list[list[int]] = [[] for _ in read]
    left, done = list(range(len(read))), 0
    given = stages(max_new)
    time_left = AnswersLeft(given, batch, np.zeros(0, np.int64) if usual is None else usual)
    progress = None if quiet else Progress("answer test items", len(read))
    if progress:
        progress.left = time_left.seconds
    decode: Any = model.generate
    pad, stops = tokenizer.pad_token_id or 0, torch.tensor(ends, dtype=torch.long)
    with evaluating(model), torch.no_grad():
        for size in given:
            order = sorted(left, key=lambda i: -len(read[i]) - len(new[i]))
            if not order:
                break
            left = []
            parts = [order[start : start + batch] for start in range(0, len(order), batch)]
            time_left.begin_stage([(len(p), len(read[p[0]]) + len(new[p[0]])) for p in parts])
            for part in parts:
                unended = len(left)
                time_left.begin_batch()
                ids, mask = _padded([read[i] + new[i] for i in part], pad)
                width = ids.shape[1]
                made = decode(
                    input_ids=ids.to(model.device),
                    attention_mask=mask.to(model.device),
                    max_new_tokens=size,
                    do_sample=False,
                    pad_token_id=pad,
                    eos_token_id=ends,
                    stopping_criteria=_watch(progress, time_left, stops, width, done),
                )
                for i, row in zip(part, made[:, width:].tolist(), strict=True):
                    end = next((at for at, token in enumerate(row) if token in ends), None)
                    new[i] += row[:size] if end is None else row[: end + 1]
                    if end is None:
                        left.append(i)
                done += len(part) - (len(left) - unended)
    if progress:
        progress.update(len(read))
    said = tokenizer.batch_decode(new, skip_special_tokens=True)
    at_limit = set(left)
    return [
        Answered(answer, text, i in at_limit)
        for i, (answer, text) in enumerate(zip(said, texts, strict=True))
    ]


def _padded(prompts: list[list[int]], pad: int) -> tuple[Any, Any]:
    """Return prompts padded on the left, and where they are (n_prompts, longest)."""
    import torch

    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), pad)
    mask = torch.zeros_like(ids)
    for i, prompt in enumerate(prompts):
        ids[i, width - len(prompt) :] = torch.tensor(prompt)
        mask[i, width - len(prompt) :] = 1
    return ids, mask


def _watch(
    progress: Progress | None, time_left: AnswersLeft, stops: Any, width: int, done: int
) -> list[Any]:
    """Return what tells at each token how many answers have ended, and ends when asked to stop.

    Args:
        progress: Told how many answers have ended; None where nobody asks, nor stops.
        time_left: Told the same of this batch alone.
        stops: Tokens that end an answer (n_stops,).
        width: Tokens of a padded prompt.
        done: Answers of earlier batches.
    """
    import torch
    from transformers import StoppingCriteria

    if progress is None:
        return []
    told = progress.update

    class Told(StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **more: Any) -> Any:
            if stop_requested():
                raise Stopped("stopped while answering test items; --resume tests again")
            written = input_ids[:, width:]
            ended = int(torch.isin(written, stops.to(written.device)).any(1).sum())
            time_left.token(written.shape[1], ended)
            told(done + ended, tokens=written.shape[1])
            return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)

    return [Told()]


def end_tokens(tokenizer: PreTrainedTokenizerBase, render: Renderer) -> list[int]:
    """Return the tokens that end an answer: end of text, and the template's end of turn."""
    marks = (*render.marks.ends, render.marks.stop, render.marks.call_stop)
    ends = {tokenizer.convert_tokens_to_ids(mark) for mark in marks if mark}
    return sorted(e for e in {*ends, tokenizer.eos_token_id} if e is not None)
