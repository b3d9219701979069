"""The theorem: do rows of close trajectories have close gradients, and is a subset's error small?

The proxy and the model whose gradients are looked at have the same shape (0.3M parameters) but
other first weights and another order of the data. A gradient is projected by hashed signs: every
parameter goes to one of 2,048 sums with a random sign, which keeps inner products on average
(Weinberger et al. 2009).
"""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np

from benchmarks.experiments.pools import Made
from benchmarks.experiments.runs import Lab, proxy
from benchmarks.experiments.settings import Plan
from core.arrays import Float32s, Float64s, Ints
from core.model import loading, tokenizers
from core.model.tokens import Tokens, pad
from core.selection import choose
from core.selection.budget import parse
from core.selection.pool import Pool
from core.study.results import p_of_draws
from core.trajectories.artifact import KEPT, load_steps

WIDTH = 2_048
PAIRS = 20_000


def run(lab: Lab, plan: Plan) -> dict[str, Any]:
    """Correlate distances, then compare the gradient error of s2l subsets with random ones."""
    made = lab.made("puzzles", plan.pools[0])
    pool = lab.pool(made)
    found = all_gradients(lab, made, pool, plan)
    return {
        "pool": made.name,
        "rows": len(pool),
        "correlations": correlations(pool, found),
        **subsets(pool, found, plan),
    }


def all_gradients(lab: Lab, made: Made, pool: Pool, plan: Plan) -> Float32s:
    """Return projected gradients at every checkpoint (n_checkpoints, n_rows, WIDTH)."""
    recorded = proxy(made, **plan.proxies["looked at"])
    tokenizer = tokenizers.load_tokenizer(str(recorded.path / "proxy"))
    tokens = made.tokens(tokenizer)
    out = []
    for step in load_steps(recorded)[1:]:
        kept = lab.folder / "gradients" / f"{made.name}-{step}.npy"
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            folder = recorded.path / KEPT / f"checkpoint-{step}"
            np.save(kept, gradients(folder, tokens, pool.rows))
        out.append(np.load(kept))
    return np.stack(out)


def gradients(folder: pathlib.Path, tokens: Tokens, rows: Ints) -> Float32s:
    """Return the projected gradient of every row's mean loss per response token (n_rows, WIDTH)."""
    import torch

    model = loading.load_weights(str(folder), frozen=False, precision="fp32")
    model.eval()
    parameters = [p for p in model.parameters() if p.requires_grad]
    total = sum(p.numel() for p in parameters)
    draw = torch.Generator().manual_seed(0)
    to = torch.randint(0, WIDTH, (total,), generator=draw)
    sign = torch.randint(0, 2, (total,), generator=draw).float() * 2 - 1
    out = np.zeros((len(rows), WIDTH), np.float32)
    for i, row in enumerate(rows):
        ids, mask = pad(tokens, np.array([row]), pad_id=0)
        wanted = torch.from_numpy(mask)[0, 1:].bool()
        logits = model(torch.from_numpy(ids)).logits[0, :-1]
        loss = torch.nn.functional.cross_entropy(
            logits[wanted], torch.from_numpy(ids)[0, 1:][wanted]
        )
        flat = torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, parameters)])
        out[i] = torch.zeros(WIDTH).index_add_(0, to, flat * sign).numpy()
    return out


def correlations(pool: Pool, found: Float32s) -> list[dict[str, Any]]:
    """Return Spearman's rank correlation of trajectory with gradient distances of drawn pairs."""
    x = pool.features_of(np.arange(len(pool)))
    kinds = pool.sources.astype(str)
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, len(pool), (2, 40 * PAIRS))
    out = []
    for which, there in (("all", a != b), ("within a task", (a != b) & (kinds[a] == kinds[b]))):
        i, j = a[there][:PAIRS], b[there][:PAIRS]
        apart = np.linalg.norm(x[i] - x[j], axis=1)
        final = np.abs(x[i, -1] - x[j, -1])
        each = [np.linalg.norm(g[i] - g[j], axis=1) for g in found]
        for name, gaps in [
            ("mean", np.mean(each, axis=0)),
            *((f"checkpoint {t + 1}", gaps) for t, gaps in enumerate(each)),
        ]:
            out.append(
                {
                    "pairs": which,
                    "n": len(i),
                    "gradients": name,
                    "trajectory": spearman(apart, gaps),
                    "final_loss": spearman(final, gaps),
                    "partial_on_final_loss": partial(apart, gaps, final),
                }
            )
    return out


def spearman(a: Float64s, b: Float64s) -> float:
    """Return the rank correlation."""
    from scipy import stats

    return float(stats.spearmanr(a, b).statistic)


def partial(a: Float64s, b: Float64s, given: Float64s) -> float:
    """Return the rank correlation of a and b beyond what `given` explains of both."""
    ab, ag, bg = spearman(a, b), spearman(a, given), spearman(b, given)
    return float((ab - ag * bg) / np.sqrt((1 - ag**2) * (1 - bg**2)))


def subsets(pool: Pool, found: Float32s, plan: Plan) -> dict[str, Any]:
    """Return the relative error of the mean gradient of subsets, a mean over checkpoints."""
    n = parse(str(int(0.11 * len(pool))))
    sizes = np.bincount(pool.labels)
    whole = found.mean(1)  # (n_checkpoints, WIDTH)

    def error(rows: Ints, weights: Float64s | None = None) -> float:
        means = np.stack([np.average(g[rows], axis=0, weights=weights) for g in found])
        gaps = np.linalg.norm(means - whole, axis=1) / np.linalg.norm(whole, axis=1)
        return float(gaps.mean())

    even, weighted = [], []
    for seed in range(plan.draws[0]):
        rows = choose.choose(pool, "s2l", n, seed).positions
        taken = np.bincount(pool.labels[rows], minlength=len(sizes))
        even.append(error(rows))
        weighted.append(error(rows, (sizes / np.maximum(taken, 1))[pool.labels[rows]]))
    random = [
        error(choose.choose(pool, "random", n, seed).positions) for seed in range(plan.draws[1])
    ]
    p = {
        name: p_of_draws(float(np.mean(values)), random, lower_is_better=True)
        for name, values in (("even", even), ("weighted", weighted))
    }
    return {
        "errors": {"s2l": even, "s2l weighted by cluster size": weighted, "random": random},
        "p": p,
        "passed": p["even"] is not None and p["even"] < 0.05,
    }
