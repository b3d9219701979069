"""Test a model: held-out loss per response token, and exact match by greedy decoding.

Answers are compared, never executed.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from core.arrays import Ints, by_id
from core.dataset import holdout
from core.errors import InputError
from core.finetune.answers import JUDGED, NO_GOLD, judge
from core.finetune.floor import commonest_right
from core.finetune.metrics import measure
from core.jobs.progress import Progress, Stopped, say, stop_requested
from core.model.chat_template import Refused
from core.model.conversation import Turn, is_trained, with_extras
from core.model.loading import check_vocabulary, positions
from core.model.output_layer import evaluating
from core.model.rendering import Render, Renderer
from core.model.scoring import score
from core.model.templates import renderer
from core.model.tokens import tokenize
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DECODE_BATCH = 64
LONGEST_ANSWER = 1_024
"""Tokens of an answer on auto, at most."""
SAMPLE_SEED = 0
"""Of the items that are answered: the same for every arm and run."""


def longest_answer(trained: Ints, test: Ints, wanted: int | str = "auto") -> int:
    """Return how many tokens an answer may take.

    Args:
        trained: Response tokens of the rows trained on (n_rows,).
        test: Response tokens of the test items, 0 for those without a worked answer (n_items,).
        wanted: A number; auto is a little over the 99th percentile of the longer of the two.
    """
    if wanted != "auto":
        return int(wanted)
    usual = [int(np.quantile(n, 0.99)) for part in (trained, test) if len(n := part[part > 0])]
    return min(LONGEST_ANSWER, 8 + max(usual)) if usual else 256


class Answered(NamedTuple):
    """What a model said to one item."""

    text: str
    prompt: str
    """As the model read it."""
    at_limit: bool
    """Whether it ended only because an answer may not be longer."""


class Result(NamedTuple):
    """Scores of one model on one test set."""

    scores: dict[str, Any]
    generations: list[dict[str, Any]]
    items: pd.DataFrame
    """A line an item, in order of id: id, source, loss (nats per response token, NaN without a
    response), right (None where it was not answered)."""


def load_items(dataset: Artifact, split: str) -> pd.DataFrame:
    """Return the test items of a dataset in order of id.

    Args:
        dataset: Any dataset.
        split: `holdout`, or `all` for a file that is a test set as a whole.

    Raises:
        InputError: there are none.
    """
    items = with_extras(pd.read_parquet(dataset.path / "examples.parquet"))
    kept = pq.ParquetFile(dataset.path / "original.parquet")
    there = [c for c in ("verifier", "task", "metadata") if c in kept.schema_arrow.names]
    original = kept.read(there).to_pandas()
    for column in ("verifier", "task", "metadata"):
        items[column] = original.get(column, "")
    if split == "holdout":
        items = items[items["split"] == "holdout"]
    if items.empty:
        raise InputError(f"{dataset.name} has no held-out rows; name a test file with --eval")
    items = items.iloc[by_id(items["id"].to_numpy())]
    no_answer = items["answer"].isna() | (items["answer"] == "")
    items["answer"] = items["answer"].where(~no_answer, items["response"])
    return items


def sample(items: pd.DataFrame, n: int) -> list[int]:
    """Draw the items to answer, each source in proportion; ascending positions, the same always."""
    if n >= len(items):
        return list(range(len(items)))
    rng = np.random.default_rng(SAMPLE_SEED)
    sources = items["source"].astype(str).tolist()
    room = holdout.quotas(sources, n)
    chosen = []
    for at in rng.permutation(len(items)).tolist():
        if room[sources[at]] > 0:
            room[sources[at]] -= 1
            chosen.append(at)
    return sorted(chosen)


def evaluate(
    workspace: Workspace,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Artifact,
    *,
    split: str,
    template: str,
    max_length: int,
    trained: Ints,
    answer_tokens: int | str,
    decode: int,
) -> Result:
    """Score a model on the test items of a dataset.

    Args:
        workspace: Holds the token cache.
        model: What to test.
        tokenizer: Its tokenizer.
        dataset: Where the items are.
        split: holdout or all.
        template: The template the model was trained with.
        max_length: Longest input, in tokens.
        trained: Response tokens of the rows trained on (n_rows,), for the longest answer.
        answer_tokens: Longest answer, in tokens, or auto.
        decode: Items answered for exact match, at most; 0 is none. Drawn as `sample` does.
    """
    items = load_items(dataset, split)
    rows = items["row"].to_numpy()
    tokens = tokenize(workspace, dataset, tokenizer, template).cut(max_length)
    check_vocabulary(model, tokens.highest())
    losses = score(model, tokens, rows).losses
    own = tokens.cut(2**31).response_lengths()[rows]
    max_new = longest_answer(trained, own, answer_tokens)
    render = renderer(template, tokenizer)
    drawn = sample(items, decode) if decode else []
    talks = {i: questions(items["messages"].iloc[i]) for i in drawn}
    asked = [i for i in drawn if _renders(render, talks[i])]
    if len(asked) < len(drawn):
        say(
            f"{len(drawn) - len(asked):,} of {len(drawn):,} questions are not asked: the template "
            "cannot render them"
        )
    said = generate(
        model,
        tokenizer,
        render,
        [talks[i] for i in asked],
        max_length=max_length,
        max_new=max_new,
    )
    entries = cast("list[dict[str, Any]]", items.iloc[asked].to_dict("records"))
    stops = next_turn(render)
    generations = [_judged(*pair, stops) for pair in zip(entries, said, strict=True)]
    right = pd.Series([g["right"] for g in generations], index=asked, dtype=object)
    judged = pd.DataFrame(
        {
            "id": items["id"].to_numpy(),
            "source": items["source"].to_numpy(),
            "loss": np.where(np.isfinite(losses), losses, np.nan),
            "right": right.reindex(range(len(items))),
        }
    )
    scores = {"items": len(items), "judged": JUDGED, **_counts(generations)}
    if decode:
        longer = int((own[asked] > max_new).sum())
        scores |= {"answer_tokens": max_new, "longer_golds": longer}
        floor = commonest_right(dataset, items.iloc[asked]) if split == "holdout" else None
        scores |= {} if floor is None else {"commonest": floor}
        if len(asked) < len(drawn):
            scores["not_asked"] = len(drawn) - len(asked)
    return Result(scores | measure(judged), generations, judged)


def _judged(entry: dict[str, Any], said: Answered, stops: tuple[str, ...]) -> dict[str, Any]:
    """Return what is kept of one answer: all that a person needs to check its verdict."""
    gold = str(entry["answer"] or "")
    verdict = judge(said.text, gold, item=entry, stops=stops)
    as_is = judge(said.text, gold, item=entry, first_answer_only=False)
    return {
        "id": entry["id"],
        "source": entry["source"],
        "prompt": entry["prompt"],
        "asked": said.prompt,
        "answer": gold,
        "said": said.text,
        "right": verdict.right,
        "right_as_is": as_is.right,
        "extracted": verdict.extracted,
        "where": verdict.where,
        "matcher": verdict.matcher,
        "ran_on": verdict.ran_on,
        "at_limit": said.at_limit,
    }


def _counts(generations: list[dict[str, Any]]) -> dict[str, Any]:
    """Count how answers ended and how they were judged."""
    if not generations:
        return {}
    by_matcher = collections.Counter(g["matcher"] for g in generations).most_common()
    one = len(by_matcher) == 1
    return {
        "matcher": by_matcher[0][0] if one else ", ".join(f"{m} {n:,}" for m, n in by_matcher),
        "ran_on": sum(g["ran_on"] for g in generations),
        "at_limit": sum(g["at_limit"] for g in generations),
        "right_as_is": sum(g["right_as_is"] for g in generations),
        "no_gold": sum(g["where"] == NO_GOLD for g in generations),
    }


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


def _renders(render: Render, talk: list[Turn]) -> bool:
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
) -> list[Answered]:
    """Answer conversations greedily, in batches of similar length, padded on the left.

    A prompt that leaves no room for its answer within the model's positions loses its beginning.

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
    progress = Progress("answer test items", len(prompts))
    decode: Any = model.generate
    with evaluating(model), torch.no_grad():
        for start in range(0, len(order), DECODE_BATCH):
            if stop_requested():
                raise Stopped("stopped while answering test items; --resume tests again")
            part = order[start : start + DECODE_BATCH]
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
            progress.update(min(start + DECODE_BATCH, len(order)))
    return out


def end_tokens(tokenizer: PreTrainedTokenizerBase, render: Renderer) -> list[int]:
    """Return the tokens that end an answer: end of text, and the template's end of turn."""
    marks = (*render.marks.ends, render.marks.stop, render.marks.call_stop)
    ends = {tokenizer.convert_tokens_to_ids(mark) for mark in marks if mark}
    return sorted(e for e in {*ends, tokenizer.eos_token_id} if e is not None)
