"""Test a model: held-out loss per response token, and exact match by greedy decoding.

Answers are compared, never executed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from core.arrays import by_id
from core.errors import InputError
from core.finetune.answers import MATCHERS, TestItem, matcher_of
from core.finetune.metrics import measure
from core.jobs.progress import Progress, Stopped, stop_requested
from core.model.loading import check_vocabulary, positions
from core.model.scoring import evaluating, score
from core.model.templates import Render, renderer
from core.model.tokens import tokenize
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DECODE_BATCH = 64
DECODE_LONGEST = 256


def longest_answer(response_lengths: npt.NDArray[np.int64]) -> int:
    """Return how many tokens an answer may take: a little over the data's 99th percentile."""
    known = response_lengths[response_lengths > 0]
    return min(DECODE_LONGEST, 8 + int(np.quantile(known, 0.99)) if len(known) else DECODE_LONGEST)


class Result(NamedTuple):
    """Scores of one model on one test set."""

    scores: dict[str, Any]
    generations: list[dict[str, Any]]


def load_items(dataset: Artifact, split: str) -> tuple[pd.DataFrame, str]:
    """Return the test items of a dataset in order of id, and the matcher they ask for.

    Args:
        dataset: Any dataset.
        split: `holdout`, or `all` for a file that is a test set as a whole.

    Raises:
        InputError: there are none.
    """
    items = pd.read_parquet(dataset.path / "examples.parquet")
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
    return items, matcher_of(items)


def evaluate(
    workspace: Workspace,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Artifact,
    *,
    split: str,
    template: str,
    max_length: int,
    max_new: int,
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
        max_new: Longest answer, in tokens.
        decode: Items answered for exact match, at most; 0 is none. The first by id.
    """
    items, matcher = load_items(dataset, split)
    rows = items["row"].to_numpy()
    scores: dict[str, Any] = {"items": len(items), "matcher": matcher}
    tokens = tokenize(workspace, dataset, tokenizer, template).cut(max_length)
    check_vocabulary(model, tokens.highest())
    losses = score(model, tokens, rows).losses
    generations: list[dict[str, Any]] = []
    if decode:
        asked = items.iloc[:decode]
        said = generate(
            model,
            tokenizer,
            renderer(template, tokenizer),
            [_questions(m) for m in asked["messages"]],
            max_length=max_length,
            max_new=max_new,
        )
        match = MATCHERS[matcher].right
        entries = cast("list[TestItem]", asked.to_dict("records"))
        for entry, text in zip(entries, said, strict=True):
            generations.append(
                {
                    "id": entry["id"],
                    "source": entry["source"],
                    "prompt": entry["prompt"],
                    "answer": entry["answer"],
                    "said": text,
                    "right": match(text, entry),
                }
            )
    judged = pd.DataFrame(
        {
            "source": items["source"].to_numpy(),
            "loss": np.where(np.isfinite(losses), losses, np.nan),
            "right": pd.Series([g["right"] for g in generations], dtype=object).reindex(
                range(len(items))
            ),
        }
    )
    return Result(scores | measure(judged), generations)


def _questions(messages: Any) -> list[dict[str, str]]:
    """Return the turns before the last answer."""
    turns = [dict(m) for m in messages]
    while turns and turns[-1]["role"] == "assistant":
        turns.pop()
    return turns


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    render: Render,
    conversations: list[list[dict[str, str]]],
    *,
    max_length: int,
    max_new: int,
) -> list[str]:
    """Answer conversations greedily, in batches of similar length, padded on the left.

    A prompt that leaves no room for its answer within the model's positions loses its beginning.

    Raises:
        Stopped: someone asked for it.
    """
    import torch

    room = positions(model)
    max_new = min(max_new, room // 2)
    keep = min(max_length, room - max_new)
    ends = _end_tokens(tokenizer, render)
    prompts = [
        tokenizer(render(c, True), add_special_tokens=False)["input_ids"] for c in conversations
    ]
    out = [""] * len(prompts)
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
            texts = tokenizer.batch_decode(made[:, width:], skip_special_tokens=True)
            for i, text in zip(part, texts, strict=True):
                out[i] = text
            progress.update(min(start + DECODE_BATCH, len(order)))
    return out


def _end_tokens(tokenizer: PreTrainedTokenizerBase, render: Render) -> list[int]:
    """Return the tokens that end an answer: end of text, and the template's end of turn."""
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    last = tokenizer(render(turns, False).rstrip(), add_special_tokens=False)["input_ids"][-1]
    added = tokenizer.added_tokens_decoder.get(last)
    ends = {tokenizer.eos_token_id, last if added and added.special else None}
    return sorted(e for e in ends if e is not None)
