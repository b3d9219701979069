"""Recording per-example losses: ours against one example at a time, and against its training.

The opponent does what the released S2L code does, written afresh: load the checkpoint, then score
one example at a time with full logits in fp32. Same rows, same weights, both orders, medians; the
machine's own matmul peak is measured in the same run. Loading a checkpoint is timed apart.

Rows are drawn at random from mathmix (MathInstruct-shaped JSONL, instruction and output). Its
tokens are those of a scratch tokenizer; the 70M shape has Pythia's 6 layers of 512, its vocabulary
of 50,304 and random weights, which cost what trained ones do.

Threads wait as they do in `python -m core`. Both sides run under the same settings.

Run: python benchmarks/recording.py --data mathmix_train.jsonl [--only pythia70m,small,training]
The table goes to stderr; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import datetime as dt
import functools
import json
import os
import pathlib
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
)

from core import dataset, demo
from core.arrays import Ints
from core.demo import puzzles
from core.model import loading
from core.model.output_layer import output_layer
from core.model.pool_texts import pool_texts
from core.model.scoring import score
from core.model.tokens import IGNORED, Tokens, pad, tokenize, window
from core.training import order, recipe, response_loss
from core.training.settings import steps_for
from core.workspace.store import Workspace

ROUNDS = 4
"""Each a b, then b a: both orders, alternating."""
EPOCHS, CHECKPOINTS = 3, 12


def say(text: str) -> None:
    """Write a line of the table."""
    sys.stderr.write(text + "\n")


def seconds(work: Callable[[], Any]) -> float:
    """Time one call, the GPU's part included."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def side_by_side(works: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Time each of the works in turn, the order reversed every round; one round to warm up."""
    out: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for i in range(ROUNDS):
        for name in list(works)[:: 1 if i % 2 else -1]:
            out[name].append(seconds(works[name]))
    return out


def peak(dtype: torch.dtype, device: str) -> float:
    """Return the best matmul rate seen, in FLOP/s."""
    n = 8192 if device == "cuda" else 2048
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    a @ b
    return 2 * n**3 / min(seconds(lambda: a @ b) for _ in range(8))


def operations(model: PreTrainedModel, tokens: Tokens, rows: Ints) -> float:
    """Count the multiplications and additions that scoring these rows needs at least.

    Matrices of the blocks for every token, causal attention (half a square), the vocabulary for
    response tokens only.
    """
    config: Any = model.config
    lengths = tokens.lengths()[rows].astype(float)
    wide, layers, words = config.hidden_size, config.num_hidden_layers, config.vocab_size
    blocks = sum(p.numel() for n, p in model.named_parameters() if ".layers." in n and p.dim() == 2)
    return float(
        2 * blocks * lengths.sum()
        + layers * 2 * wide * (lengths**2).sum()
        + 2 * wide * words * float(tokens.response_lengths()[rows].sum())
    )


def one_at_a_time(model: PreTrainedModel, tokens: Tokens, rows: Ints) -> np.ndarray[Any, Any]:
    """Score as the released code does: a forward pass a row, all logits, the model's own loss."""
    out = []
    with torch.no_grad():
        for r in rows:
            ids, mask = pad(tokens, np.array([r]), 0)
            labels = torch.from_numpy(np.where(mask, ids, -100)).to(model.device)
            loss = model(input_ids=torch.from_numpy(ids).to(model.device), labels=labels).loss
            out.append(float(loss))
    return np.array(out, np.float32)


def breakdown(work: Callable[[], Any]) -> dict[str, float]:
    """Return how much of a call's time its matrix products and its attention take."""
    with torch.profiler.profile() as seen:
        work()
    took: dict[str, float] = {e.key: e.self_cpu_time_total for e in seen.key_averages()}
    whole = sum(took.values())
    products = sum(v for k, v in took.items() if k in ("aten::mm", "aten::addmm", "aten::bmm"))
    attention = sum(v for k, v in took.items() if "scaled_dot_product" in k)
    return {"products": products / whole, "attention": attention / whole}


def scoring(
    name: str, model: PreTrainedModel, tokens: Tokens, rows: Ints, result: dict[str, Any]
) -> None:
    """Measure one shape and put its ratios into the result."""
    model.eval()
    losses: dict[str, Any] = {}

    def keep(key: str, work: Callable[[], Any]) -> Callable[[], None]:
        def run() -> None:
            losses[key] = work()

        return run

    half = torch.bfloat16
    took = side_by_side(
        {
            "opponent": keep("opponent", lambda: one_at_a_time(model, tokens, rows)),
            "ours fp32": keep("fp32", lambda: score(model, tokens, rows).losses),
            "ours bf16": keep("bf16", lambda: score(model, tokens, rows, precision="bf16").losses),
        }
    )
    medians = {k: statistics.median(v) for k, v in took.items()}
    n = float(tokens.lengths()[rows].sum())
    with tempfile.TemporaryDirectory() as folder:
        written = seconds(lambda: model.save_pretrained(folder))
        read = seconds(lambda: AutoModelForCausalLM.from_pretrained(folder))
    done = operations(model, tokens, rows)
    for part, kind in (("fp32", torch.float32), ("bf16", half)):
        ratios = [a / b for a, b in zip(took["opponent"], took[f"ours {part}"], strict=True)]
        gap = float(np.abs(losses[part] - losses["opponent"]).max())
        share = done / medians[f"ours {part}"] / result["peaks"][part]
        result[f"{name}_{part}_ratio"] = round(statistics.median(ratios), 2)
        result[f"{name}_max_abs_diff_{part}"] = gap
        result[f"{name}_peak_share_{part}"] = round(share, 3)
        if model.device.type == "cpu":
            shares = breakdown(functools.partial(score, model, tokens, rows, precision=part))
            bound = statistics.median(ratios) / shares["products"]
            result[f"{name}_{part}_products_share"] = round(shares["products"], 3)
            say(
                f"{name} {part}: matrix products {shares['products']:.0%} of the time, attention "
                f"{shares['attention']:.0%}; {bound:.2f}x if all but the products were free"
            )
        say(
            f"{name} {part}: {result[f'{name}_{part}_ratio']:.2f}x "
            f"({min(ratios):.2f} to {max(ratios):.2f}), {n / medians[f'ours {part}']:,.0f} "
            f"tokens/s, {share:.0%} of the {kind} matmul peak, largest difference {gap:.1e}"
        )
    say(
        f"{name} opponent: {n / medians['opponent']:,.0f} tokens/s on {len(rows)} rows; besides, "
        f"{written:.2f} s to write and {read:.2f} s to load a checkpoint"
    )


def moved(model: PreTrainedModel, device: str) -> PreTrainedModel:
    """Return the model on a device."""
    model.to(torch.device(device))  # type: ignore[arg-type]
    return model


class OurLoss(Trainer):
    """A Trainer that projects response tokens only."""

    def compute_loss(self, model: Any, inputs: dict[str, torch.Tensor], *_: Any, **__: Any) -> Any:
        """Return the mean over the response tokens of a batch, as the model's own loss is."""
        labels = inputs["labels"]
        items = int((labels[:, 1:] != IGNORED).sum())
        return response_loss.loss(model, output_layer(model), inputs["input_ids"], labels, items)


def train(
    data: Tokens, batches: list[Ints], model: PreTrainedModel, *, ours: bool, half: bool = False
) -> Callable[[], Any]:
    """Return a training run over these batches: plain Trainer's, or with our loss."""

    def collate(parts: list[Ints]) -> dict[str, torch.Tensor]:
        ids, responses = pad(data, parts[0], 0)
        labels = np.where(responses, ids, IGNORED)
        return {"input_ids": torch.from_numpy(ids), "labels": torch.from_numpy(labels)}

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            args = TrainingArguments(
                output_dir=folder,
                max_steps=len(batches),
                per_device_train_batch_size=1,
                learning_rate=1e-5,
                report_to=[],
                save_strategy="no",
                disable_tqdm=True,
                train_sampling_strategy="sequential",
                remove_unused_columns=False,
                logging_strategy="no",
                dataloader_pin_memory=False,
                bf16=half,
                use_cpu=loading.device() == "cpu",  # said outright, or bf16 is refused
            )
            trainer = OurLoss if ours else Trainer
            trainer(
                model=model,
                args=args,
                train_dataset=batches,  # type: ignore[arg-type]
                data_collator=collate,
            ).train()

    return run


def against_training(
    model: PreTrainedModel, tokens: Tokens, rows: Ints, steps: int, result: dict[str, Any]
) -> None:
    """Compare our training with plain random batches, and recording with our training."""
    rng = np.random.default_rng(0)
    lengths = tokens.lengths()
    settings = recipe.Recipe(steps=steps_for(len(rows), 1, 32), batch_size=32, lr=1e-5, seed=0)
    grouped = order.schedule(lengths, rows, settings)
    mixed = np.array_split(rng.permutation(rows), len(grouped))
    some = rng.permutation(len(grouped))[:steps]
    sets = {"grouped": [grouped[i] for i in some], "random": [mixed[i] for i in some]}
    scored = rng.permutation(rows)[: 32 * steps]
    took = side_by_side(
        {
            **{k: train(tokens, v, model, ours=k == "grouped") for k, v in sets.items()},
            "record": lambda: score(model, tokens, scored),
            "grouped bf16": train(tokens, sets["grouped"], model, ours=True, half=True),
            "record bf16": lambda: score(model, tokens, scored, precision="bf16"),
        }
    )
    per = {k: float(sum(lengths[b].sum() for b in v)) for k, v in sets.items()}
    per["record"] = float(lengths[scored].sum())
    waste = {k: sum(len(b) * int(lengths[b].max()) for b in v) / per[k] for k, v in sets.items()}
    rates = {k: [per[k.removesuffix(" bf16")] / s for s in v] for k, v in took.items()}
    ratios = [a / b for a, b in zip(rates["grouped"], rates["random"], strict=True)]
    bound = CHECKPOINTS / (3 * EPOCHS)
    result["train_ratio"] = round(statistics.median(ratios), 2)
    result["record_over_train_bound"] = round(bound, 3)
    say(
        f"training: grouped {statistics.median(rates['grouped']):,.0f} tokens/s, padded "
        f"{waste['grouped']:.2f}x; random {statistics.median(rates['random']):,.0f}, padded "
        f"{waste['random']:.2f}x: {result['train_ratio']:.2f}x ({min(ratios):.2f} to "
        f"{max(ratios):.2f}); grouped in bf16 {statistics.median(rates['grouped bf16']):,.0f}"
    )
    for kind in ("", " bf16"):
        pairs = zip(rates[f"grouped{kind}"], rates[f"record{kind}"], strict=True)
        share = [CHECKPOINTS / EPOCHS * a / b for a, b in pairs]
        middle = statistics.median(share)
        result[f"record_over_train{kind.replace(' ', '_')}"] = round(middle, 3)
        say(
            f"recording {CHECKPOINTS} times in {EPOCHS} epochs{kind}: {middle:.2f} of the training "
            f"({min(share):.2f} to {max(share):.2f}), {middle / bound:.2f} of the {bound:.2f} by "
            "count of operations"
        )


def tokenising(workspace: Workspace, data: Any, tokenizer: Any, result: dict[str, Any]) -> None:
    """Compare writing the token cache with the tokenizer library's own batch call."""
    import shutil

    from core.model.templates import render_spans, renderer

    render = renderer("plain", tokenizer)
    frame = dataset.examples(data, ["messages"])
    texts = [render_spans(render, m, "plain")[0] for m in frame["messages"]]

    def ours() -> None:
        shutil.rmtree(workspace.cache / "tokens", ignore_errors=True)
        tokenize(workspace, data, tokenizer, "plain")

    def plain() -> None:
        for i in range(0, len(texts), 512):
            tokenizer(texts[i : i + 512], add_special_tokens=False)

    took = side_by_side({"ours": ours, "library": plain})
    ratios = [a / b for a, b in zip(took["library"], took["ours"], strict=True)]
    result["tokenise_ratio"] = round(statistics.median(ratios), 2)
    say(f"tokenising: {result['tokenise_ratio']:.2f} of the library's own batch speed")


def main() -> None:
    """Measure the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--data", default="", help="a JSONL that `core dataset` reads; the demo's puzzles if none"
    )
    parser.add_argument("--only", default="pythia70m,small,training,tokenising")
    parser.add_argument(
        "--rows", type=int, default=64, help="rows for the 70M shape; 16x for small"
    )
    parser.add_argument("--steps", type=int, default=24, help="training steps a round")
    args = parser.parse_args()
    parts = args.only.split(",")
    device = loading.device()
    result: dict[str, Any] = {
        "date": f"{dt.date.today()}",  # noqa: DTZ011
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
    }
    if device == "cuda":
        result["machine"] = torch.cuda.get_device_name()
    result["peaks"] = {
        "fp32": peak(torch.float32, device),
        "bf16": peak(torch.bfloat16, device),
    }
    say(
        f"matmul peak: fp32 {result['peaks']['fp32'] / 1e9:,.0f} GFLOP/s, "
        f"bf16 {result['peaks']['bf16'] / 1e9:,.0f} GFLOP/s"
    )
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder)
        path = args.data or str(demo.write_rows(workspace, list(puzzles.generate(0)), 0))
        data = workspace.open(dataset.run(workspace, dataset.Settings(path=path)))
        result["rows"] = f"{data.name}, {data.summary['rows']:,} rows"
        small, tokenizer = loading.load(
            "scratch:small", seed=0, texts=pool_texts(data, "scratch:small")
        )
        if "tokenising" in parts:
            tokenising(workspace, data, tokenizer, result)
        tokens = tokenize(workspace, data, tokenizer, "plain")
        tokens = tokens.cut(min(512, window("auto", tokens.full_lengths(), small)))
        rows = np.flatnonzero(tokens.response_lengths() > 0)
        mixed = np.random.default_rng(0).permutation(rows)
        if "pythia70m" in parts:
            shape = GPTNeoXConfig(
                hidden_size=512,
                num_hidden_layers=6,
                num_attention_heads=8,
                intermediate_size=2048,
                vocab_size=50304,
            )
            torch.manual_seed(0)
            scoring(
                "pythia70m",
                moved(GPTNeoXForCausalLM(shape), device),
                tokens,
                mixed[: args.rows],
                result,
            )
        if "small" in parts:
            scoring("small", moved(small, device), tokens, mixed[: 16 * args.rows], result)
        if "training" in parts:
            against_training(moved(small, device), tokens, rows, args.steps, result)
    if "pythia70m_max_abs_diff_fp32" in result:
        result["max_abs_diff_fp32"] = result["pythia70m_max_abs_diff_fp32"]
        result["peak_share_fp32"] = result["pythia70m_peak_share_fp32"]
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
