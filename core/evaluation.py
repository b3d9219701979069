"""Test a model: held-out loss per response token, and exact match by greedy decoding.

Answers are compared, never executed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.progress import Progress
from core.scoring import evaluating, score
from core.store import Artifact, Workspace
from core.templates import Render, renderer
from core.tokens import tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

COVERED = 0.5
"""A source counts as covered when at least this share of its items is answered exactly."""
DECODE_BATCH = 64
DECODE_LONGEST = 256


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
        return _clean_number(marked[-1])
    numbers = re.findall(r"-?\d[\d,]*\.?\d*(?:/\d+)?", text)
    return _clean_number(numbers[-1]) if numbers else ""


def _clean_number(text: str) -> str:
    text = re.sub(r"[,$%\s]|\\!|\\ ", "", text).rstrip(".")
    return re.sub(r"(\.\d*?)0+$", r"\1", text).rstrip(".") if "." in text else text


def _same_number(said: str, entry: Entry) -> bool:
    wanted = extract_number(entry["answer"])
    return bool(wanted) and extract_number(said) == wanted


def _same_text(said: str, entry: Entry) -> bool:
    return " ".join(said.lower().split()) == " ".join(str(entry["answer"]).lower().split())


def _verified(said: str, entry: Entry) -> bool:
    """Ask the task's own verifier (reasoning-gym)."""
    import reasoning_gym

    check = reasoning_gym.get_score_answer_fn(entry["task"])
    item = {
        "question": entry["prompt"],
        "answer": entry["answer"],
        "metadata": json.loads(entry["metadata"]),
    }
    return bool(check(said.strip(), item) >= 1.0)


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
    original = pd.read_parquet(dataset.path / "original.parquet")
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
    if (items["response"] != "").any():
        tokens = tokenize(workspace, dataset, tokenizer, template).cut(max_length)
        losses = score(model, tokens, rows).losses
        finite = np.isfinite(losses)
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
    """Answer conversations greedily, in batches of similar length, padded on the left."""
    import torch

    prompts = [
        tokenizer(render(c, True), add_special_tokens=False)["input_ids"] for c in conversations
    ]
    keep = max(8, max_length - max_new // 2)
    out = [""] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    progress = Progress("answer test items", len(prompts))
    decode: Any = model.generate
    with evaluating(model), torch.no_grad():
        for start in range(0, len(order), DECODE_BATCH):
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
                eos_token_id=tokenizer.eos_token_id,
            )
            texts = tokenizer.batch_decode(made[:, width:], skip_special_tokens=True)
            for i, text in zip(part, texts, strict=True):
                out[i] = text
            progress.update(min(start + DECODE_BATCH, len(order)))
    return out
