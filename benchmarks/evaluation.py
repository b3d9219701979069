"""Greedy answers in batches by length, beside one item at a time, both with the cache of keys.

With `--plain whole` the second way is a loop that reads the whole text again for every token: far
slower, and a check of cache and padding by code that has neither. The items are GSM8K's test, or
generated word problems without a file. The last line is JSON: `ratio`, the time of one at a time
over that of the batches, and `same_outputs_share`.

Run: python benchmarks/evaluation.py [--file eval_gsm8k.jsonl] [--model M] [--plain whole]
"""

from __future__ import annotations

import argparse
import json
import pathlib
import random
import sys
import time
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from core.evaluations import load
from core.finetune.evaluate import load_items
from core.finetune.generate import Answered, end_tokens, generate, questions
from core.model import loading
from core.model.output_layer import evaluating
from core.model.rendering import Renderer
from core.model.templates import choose, renderer
from core.workspace.store import Workspace


def one_at_a_time(
    model: Any, tokenizer: Any, render: Renderer, talks: list[Any], max_length: int, max_new: int
) -> list[str]:
    """Answer each conversation by itself, reading all of it again for every token."""
    import torch

    ends = set(end_tokens(tokenizer, render))
    keep = min(max_length, loading.positions(model) - max_new)
    out = []
    with evaluating(model), torch.no_grad():
        for talk in talks:
            ids = tokenizer(render(talk, True), add_special_tokens=False)["input_ids"][-keep:]
            start = len(ids)
            for _ in range(max_new):
                read = torch.tensor([ids], device=model.device)
                logits = model(input_ids=read, use_cache=False, logits_to_keep=1).logits
                ids.append(int(logits[0, -1].argmax()))
                if ids[-1] in ends:
                    break
            out.append(tokenizer.decode(ids[start:], skip_special_tokens=True))
    return out


def generated(n: int) -> list[str]:
    """Return word problems of very different lengths."""
    rng = random.Random(0)
    people = ("Ann", "Bob", "Cleo", "Dan", "Eve")
    return [
        " ".join(
            f"{rng.choice(people)} has {rng.randint(2, 99)} pens."
            for _ in range(rng.choice((1, 2, 3, 5, 9, 16)))
        )
        + " How many pens are there?"
        for _ in range(n)
    ]


def main() -> None:
    """Time both ways over the same items and say how they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="scratch:small")
    parser.add_argument("--file", default="", help="GSM8K's test file; generated problems without")
    parser.add_argument("--items", type=int, default=1319)
    parser.add_argument("--answer-tokens", type=int, default=64)
    parser.add_argument("--plain", choices=("cached", "whole"), default="cached")
    parser.add_argument("--workspace", default="workspace")
    given = parser.parse_args()
    import torch

    asked, ids = _items(given)
    talks = [
        [{"role": "user", "content": text}] if isinstance(text, str) else text for text in asked
    ]
    texts = [talk[0]["content"] for talk in talks]
    model, tokenizer = loading.load(given.model, seed=0, texts=texts, precision="fp32")
    render = renderer(choose("auto", tokenizer, scratch=loading.is_scratch(given.model)), tokenizer)
    how: dict[str, Any] = {"max_length": 1024, "max_new": given.answer_tokens}
    generate(model, tokenizer, render, talks[:2], **how)  # libraries are warm
    begun = time.perf_counter()
    together = [said.text for said in generate(model, tokenizer, render, talks, **how)]
    batched = time.perf_counter() - begun
    begun = time.perf_counter()
    if given.plain == "cached":
        said: list[Answered] = generate(model, tokenizer, render, talks, batch=1, **how)
        alone = [one.text for one in said]
    else:
        alone = one_at_a_time(model, tokenizer, render, talks, **how)
    plain = time.perf_counter() - begun
    differ = [id for id, a, b in zip(ids, together, alone, strict=True) if a != b]
    print(
        f"{given.model}, {len(ids):,} items, {given.answer_tokens} tokens at most, fp32, "
        f"{torch.get_num_threads()} threads: {batched:.1f} s in batches, {plain:.1f} s singly"
    )
    print(f"{sum(map(bool, together)):,} answers have words; differing ids: {differ or 'none'}")
    result = {
        "ratio": round(plain / batched, 2),
        "same_outputs_share": round(1 - len(differ) / len(ids), 4),
        "items": len(ids),
        "seconds": {"batches": round(batched, 2), "one_at_a_time": round(plain, 2)},
        "differ": differ,
    }
    print(json.dumps(result))


def _items(given: argparse.Namespace) -> tuple[list[Any], list[str]]:
    if not given.file:
        return generated(given.items), [f"{i}" for i in range(given.items)]
    workspace = Workspace(pathlib.Path(given.workspace))
    items = load_items(load(workspace, f"gsm8k={given.file}").dataset, "all")
    items = items.sample(min(given.items, len(items)), random_state=0)
    return [questions(talk) for talk in items["messages"]], items["id"].tolist()


if __name__ == "__main__":
    main()
