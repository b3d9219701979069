"""What is tried of a fine-tune's test: rows scored, items answered and judged; seconds of each."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from core.arrays import Ints
from core.finetune.answer_memory import at_once, bytes_a_token
from core.finetune.evaluate import load_items, longest_answer
from core.finetune.generate import DECODE_BATCH, Answered
from core.finetune.kept_answers import judged_answer
from core.finetune.prepare import Read
from core.finetune.settings import Settings
from core.model import loading
from core.model.tokens import Tokens, tokenize
from core.training import fit_memory
from core.training.fit_memory import Memory
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

NEW = (2, 10)
"""Tokens of the two answers whose difference is the time of a token."""
AT_ONCE = (2, 12)
"""Items answered at once in either trial."""
ROUNDS, ENOUGH = 7, 3.0
"""Times that answers are timed, at most, and the seconds after which once more is too much: of a
fast model one interruption would be taken for the price of every token."""
JUDGED = 8
"""Items whose own answers are judged, for the time it takes."""


def testing(
    workspace: Workspace,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    read_rows: Read,
    tests: Sequence[tuple[Artifact, str, int]],
    s: Settings,
) -> dict[str, Any]:
    """Score and answer a few items of the first test; return its rates, and what every test has.

    Args:
        tests: Datasets, which of their rows, and how often a run goes through them.
        s: How many items are answered.
    """
    from core.model.scoring import score

    read = {t.id: _tokens(workspace, t, tokenizer, read_rows) for t, _, _ in tests}
    sets = [
        {**sizes(workspace, t, split, tokenizer, read_rows, model, s), "times": times}
        for t, split, times in tests
    ]
    first, split, _ = tests[0]
    tokens, items = read[first.id], load_items(first, split)
    rows = items["row"].to_numpy()
    some = rows[np.argsort(tokens.lengths()[rows], kind="stable")][:: max(1, len(rows) // 32)]
    score(model, tokens, some[:1])
    began = time.monotonic()
    score(model, tokens, some)
    spent = time.monotonic() - began
    rates = {"score": spent / max(1, int(tokens.lengths()[some].sum()))}
    if len(rows):
        prompts = [_prompt(tokens, int(r)) for r in some]
        rates |= _answering(model, tokenizer, prompts, max(one["max_new"] for one in sets))
    if any(one["answered"] for one in sets):
        rates |= _judging(items)
    return {"batch": DECODE_BATCH, "rates": rates, "sets": sets}


def answers_held(model: PreTrainedModel, sets: Sequence[dict[str, Any]]) -> Memory:
    """Return what is held at most while tests are answered: what is now, keys and values."""
    most = 0.0
    for one in sets:
        if one["answered"]:
            tokens = int(one["longest_prompt"]) + int(one["max_new"])
            n = at_once(model, min(DECODE_BATCH, int(one["answered"])), tokens)
            most = max(most, n * tokens * bytes_a_token(model))
    most += fit_memory.in_use()
    return Memory(most, 0.0) if loading.device() == "cuda" else Memory(0.0, most)


def _judging(items: pd.DataFrame) -> dict[str, float]:
    """Return the seconds of judging: an answer, and what the first one loads besides."""
    free = items[items["measure"] != "choice"].head(JUDGED)
    took = []
    for entry in free.to_dict("records"):
        said = Answered(str(entry["response"] or entry["answer"]), "", at_limit=False)
        began = time.monotonic()
        judged_answer(cast("dict[str, Any]", entry), said, ())
        took.append(time.monotonic() - began)
    usual = statistics.median(took) if took else 0.0
    return {"first_judged": max(took, default=0.0) - usual, "judged": usual}


def _tokens(workspace: Workspace, test: Artifact, tokenizer: Any, rows: Read) -> Tokens:
    return tokenize(workspace, test, tokenizer, rows.template).cut(rows.tokens.max_length)


def sizes(
    workspace: Workspace,
    test: Artifact,
    split: str,
    tokenizer: PreTrainedTokenizerBase,
    read_rows: Read,
    model: PreTrainedModel,
    s: Settings,
) -> dict[str, Any]:
    """Count the tokens that a test's items have, are read again for a choice, and are written."""
    tokens, items = _tokens(workspace, test, tokenizer, read_rows), load_items(test, split)
    rows = items["row"].to_numpy()
    lengths, own = tokens.lengths()[rows], tokens.cut(2**31).response_lengths()[rows]
    longest = longest_answer(read_rows.tokens.response_lengths(), own, s.answer_tokens)
    max_new = min(longest, loading.positions(model) // 2)
    worked = lengths_of(own, read_rows.tokens.response_lengths(), max_new)
    chosen = (items["measure"] == "choice").to_numpy()
    share = (1.0 if s.all_items else min(1.0, s.decode / len(items))) if s.answers else 0.0
    choices = sum(
        len(c) * n for c, n in zip(items["continuations"][chosen], lengths[chosen], strict=True)
    )
    return {
        "items": len(items),
        "tokens": int(lengths.sum()) + round(share * choices),
        "answered": round(share * int((~chosen).sum())),
        "max_new": max_new,
        "lengths": np.quantile(worked, np.linspace(0, 1, 33)).astype(int).tolist(),
        "usual_new": min(max_new, int(np.quantile(own, 0.95))),
        "prompt": float(np.maximum(lengths - own, 1).mean()),
        "longest_prompt": int(np.maximum(lengths - own, 1).max()),
    }


def lengths_of(own: Ints, trained: Ints, most: int) -> Ints:
    """Return the tokens of worked answers: the test's own, else the pool's, else the most."""
    for lengths in (own[own > 0], trained[trained > 0]):
        if len(lengths):
            return np.minimum(lengths, most)
    return np.array([most], np.int64)


def _prompt(tokens: Tokens, row: int) -> Ints:
    """Return the ids of a row up to its last reply."""
    ids, mask = tokens.row(row)
    replies = np.flatnonzero(np.diff(np.r_[0, mask.astype(np.int8)]) == 1)
    return ids[: max(1, int(replies[-1]) if len(replies) else len(ids))]


def _answering(
    model: PreTrainedModel, tokenizer: Any, prompts: list[Ints], max_new: int
) -> dict[str, Any]:
    """Return what answering takes: seconds a token read, a token written, an item's token beside.

    A step of the answers of n items takes `step + n * item` seconds.
    """
    import torch

    from core.model.output_layer import evaluating

    usual = sorted(prompts, key=len)[len(prompts) // 2]
    decode: Any = model.generate

    def seconds(n: int, new: int) -> float:
        ids = torch.from_numpy(np.stack([usual] * n)).to(model.device)
        began = time.monotonic()
        decode(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=new,
            min_new_tokens=new,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id or 0,
        )
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        return time.monotonic() - began

    few, many = AT_ONCE
    low, high = NEW[0], max(NEW[0] + 1, min(NEW[1], max_new))
    trials = [(n, new) for n in AT_ONCE for new in (low, high)]
    with evaluating(model), torch.no_grad():
        for n in AT_ONCE:  # the first of its size loads and allocates
            seconds(n, low)
        began = time.monotonic()
        rounds = [[seconds(*trial) for trial in trials]]
        while len(rounds) < ROUNDS and time.monotonic() - began < ENOUGH:
            rounds.append([seconds(*trial) for trial in trials])
    middle = dict(zip(trials, np.median(rounds, axis=0).tolist(), strict=True))
    times = {n: [middle[n, new] for new in (low, high)] for n in AT_ONCE}
    a_token = {n: max(0.0, (t[1] - t[0]) / (high - low)) for n, t in times.items()}
    item = max(0.0, (a_token[many] - a_token[few]) / (many - few))
    reading = max(0.0, times[many][0] - low * a_token[many]) / (many * len(usual))
    return {"read": reading, "step": max(0.0, a_token[few] - few * item), "item": item}
