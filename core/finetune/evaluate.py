"""Test a model: held-out loss per response token, and exact match by greedy decoding.

Answers are compared, never executed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from core.jobs.progress import Progress, Stopped, stop_requested
from core.model.loading import check_vocabulary, positions
from core.model.scoring import evaluating, score
from core.model.templates import Render, renderer
from core.model.tokens import tokenize
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EXACT = 0.99
"""A verifier gives less for a partly right answer."""
COVERED = 0.5
"""A source counts as covered when at least this share of its items is answered exactly."""
DECODE_BATCH = 64
DECODE_LONGEST = 256
NUMBER = (
    r"(?:(?<![\w)\]])[-\u2212]\$?)?"
    r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:/\d+)?"
)
"""Commas part thousands only; a dash after a word or a number is no sign."""


def longest_answer(response_lengths: npt.NDArray[np.int64]) -> int:
    """Return how many tokens an answer may take: a little over the data's 99th percentile."""
    known = response_lengths[response_lengths > 0]
    return min(DECODE_LONGEST, 8 + int(np.quantile(known, 0.99)) if len(known) else DECODE_LONGEST)


Entry = dict[str, Any]
"""One test item: prompt, answer, source, and for the demo task and metadata."""


class Result(NamedTuple):
    """Scores of one model on one test set."""

    scores: dict[str, Any]
    generations: list[dict[str, Any]]


def extract_number(text: str) -> str:
    r"""Return the final answer of a solution: `\boxed{}`, else `#### n`, else the last number."""
    boxed = text.rfind("\\boxed{")
    if boxed >= 0:
        depth, start = 1, boxed + len("\\boxed{")
        for end in range(start, len(text)):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if depth == 0:
                return _clean_number(text[start:end])
    marked = re.findall(r"####\s*([^\n]+)", text)
    if marked:
        numbers = re.findall(NUMBER, marked[-1])  # "#### 72 apples" is 72
        return _clean_number(numbers[0] if len(numbers) == 1 else marked[-1])
    numbers = re.findall(NUMBER, text)
    return _clean_number(numbers[-1]) if numbers else ""


def _clean_number(text: str) -> str:
    text = re.sub(r"\\[dt]?frac\{(-?\d+)\}\{(\d+)\}", r"\1/\2", text)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))|[$%\s]|\\!|\\ ", "", text).replace("\u2212", "-")
    text = text.rstrip(".")
    decimal = re.fullmatch(r"(-?)0*(\d*)\.(\d*?)0*", text)
    if not decimal:
        return text
    sign, whole, part = decimal.groups()
    return f"{sign}{whole or 0}" + (f".{part}" if part else "")


def _same_number(said: str, entry: Entry) -> bool:
    wanted, got = extract_number(str(entry["answer"])), extract_number(said)
    try:
        return Fraction(got) == Fraction(wanted)
    except (ValueError, ZeroDivisionError):  # not plain numbers
        return got == wanted if wanted else _same_text(said, entry)


def _same_text(said: str, entry: Entry) -> bool:
    return " ".join(said.lower().split()) == " ".join(str(entry["answer"]).lower().split())


def _verified(said: str, entry: Entry) -> bool:
    """Ask the task's own verifier (reasoning-gym)."""
    import reasoning_gym

    check = reasoning_gym.get_score_answer_fn(entry["task"])
    metadata = json.loads(entry["metadata"])
    item = {"question": entry["prompt"], "answer": entry["answer"], "metadata": metadata}
    try:
        return bool(check(said.strip(), item) >= EXACT)
    except Exception:  # some verifiers fall over nonsense instead of scoring it 0
        return False


MATCHERS: dict[str, Callable[[str, Entry], bool]] = {
    "number": _same_number,
    "text": _same_text,
    "reasoning-gym": _verified,
}


def load_items(dataset: Artifact, split: str) -> tuple[pd.DataFrame, str]:
    """Return the test items of a dataset in order of id, and the matcher they ask for.

    Args:
        dataset: Any dataset.
        split: `holdout`, or `all` for a file that is a test set as a whole.

    Raises:
        ValueError: there are none.
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
        raise ValueError(f"{dataset.name} has no held-out rows; name a test file with --eval")
    items = items.sort_values("id")
    no_answer = items["answer"].isna() | (items["answer"] == "")
    items["answer"] = items["answer"].where(~no_answer, items["response"])
    if (items["verifier"] == "reasoning-gym").all():
        return items, "reasoning-gym"
    numeric = items["answer"].map(lambda a: bool(extract_number(str(a)))).mean()
    return items, "number" if numeric >= 0.8 else "text"


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
    finite = np.isfinite(losses)
    if finite.any():
        by_source = pd.Series(losses[finite]).groupby(items["source"].to_numpy()[finite]).mean()
        scores |= {
            "loss": float(losses[finite].mean()),
            "balanced_loss": float(by_source.mean()),
            "loss_items": int(finite.sum()),
            "loss_by_source": {str(k): round(float(v), 4) for k, v in by_source.items()},
        }
    generations = []
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
        match = MATCHERS[matcher]
        entries = cast("list[Entry]", asked.to_dict("records"))
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
        right = pd.Series([g["right"] for g in generations])
        share = right.groupby([g["source"] for g in generations]).mean()
        scores |= {
            "exact_match": float(right.mean()),
            "right": int(right.sum()),
            "decoded": len(right),
            "coverage": float((share >= COVERED).mean()),
            "covered": int((share >= COVERED).sum()),
            "sources": len(share),
        }
    return Result(scores, generations)


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
