"""Proxies, selections and targets of the experiments, each made once by the product's engine."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.experiments.pools import Made, make
from core import clusters, selection, trajectories
from core.arrays import Ints
from core.model import loading
from core.model.pool_texts import pool_texts
from core.model.scoring import score
from core.selection import choose
from core.selection.budget import parse
from core.selection.filters import Filters
from core.selection.pool import Pool
from core.training.loop import fit
from core.training.recipe import Recipe
from core.workspace.artifact import Artifact
from core.workspace.files import fingerprint, read_json, write_json

GUARD = " + guard"
SCRATCH, WARM = "scratch:tiny", "warm"
BASE_SEED = 7
"""Draws the weights of a target from scratch: one base for all arms, as METHOD asks."""
RAREST = 5


class Regime(NamedTuple):
    """How every target is trained: all arms alike, equal steps."""

    base: str
    steps: int
    batch_size: int = 16

    @property
    def lr(self) -> float:
        """The product's from scratch, the demo's on its warm base."""
        return 3e-3 if self.base == SCRATCH else 1e-3


class Lab:
    """Where the experiments keep what they make; nothing is made twice."""

    def __init__(self, folder: pathlib.Path, regime: Regime) -> None:
        """Keep everything below `folder`; train targets as `regime` says."""
        self.folder, self.regime = folder, regime
        self._made: dict[Any, Made] = {}
        self._pools: dict[Any, Pool] = {}

    def made(self, kind: str, seed: int, wrong: float = 0.0) -> Made:
        """Return a generated pool."""
        key = (kind, seed, wrong)
        if key not in self._made:
            self._made[key] = make(self.folder / "pools", kind, seed, wrong)
        return self._made[key]

    def pool(self, made: Made, guard: bool = False) -> Pool:
        """Return the pool under the product's default proxy and clustering."""
        key = (made.name, guard)
        if key not in self._pools:
            self._pools[key] = cluster(made, proxy(made), guard)
        return self._pools[key]

    def rows(self, made: Made, arm: str, share: float, seed: int) -> Ints:
        """Return the rows of the dataset that an arm draws, ascending; every row of `full`."""
        if arm == "full":
            return made.pool
        pool = self.pool(made, arm.endswith(GUARD))
        # a share is of all rows, those that a guard leaves out too
        wanted = parse(str(int(share * len(made.pool) + 1e-9)))
        choice = choose.choose(pool, arm.removesuffix(GUARD), wanted, seed)
        return np.sort(pool.rows[choice.positions])

    def test_loss(self, made: Made, rows: Ints, seed: int) -> dict[str, float]:
        """Train a target on these rows; return the mean test loss of every kind, nats a token."""
        key = fingerprint("evidence", made.name, rows.tolist(), self.regime, seed)
        path = self.folder / "targets" / f"{key}.json"
        if (kept := read_json(path)) is None:
            began = time.monotonic()
            losses = train(made, rows, self.regime, seed)
            kept = {"losses": losses, "seconds": round(time.monotonic() - began, 2)}
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, kept)
        return {str(k): float(v) for k, v in kept["losses"].items()}

    def grid(
        self,
        mades: Iterable[Made],
        arms: Iterable[str],
        seeds: Iterable[int],
        shares: Iterable[float],
        train_seed: int | None = None,
    ) -> pd.DataFrame:
        """Train every arm on every pool; the seed is the draw's, and the training's if not set.

        Returns:
            pool, arm, share, seed, loss (mean over kinds: the test has as many rows of each),
            as_pool (kinds as frequent as in the pool), rarest (the five rarest kinds), and what
            `contents` says of the rows.
        """
        lines = []
        arms = list(arms)
        for made in mades:
            for share in shares:
                for seed in seeds:
                    for arm in arms:
                        rows = self.rows(made, arm, share, seed)
                        losses = self.test_loss(
                            made, rows, seed if train_seed is None else train_seed
                        )
                        about = {"pool": made.name, "arm": arm, "share": share, "seed": seed}
                        lines.append(about | means(made, losses) | contents(made, rows))
        return pd.DataFrame(lines)


def proxy(made: Made, **changes: Any) -> Artifact:
    """Train the product's default proxy from scratch and record every row; reused when there."""
    how = {"model": SCRATCH, "map": False, "accept_long": True, "resume": True, **changes}
    settings = trajectories.Settings(dataset=made.dataset, **how)
    return made.workspace.open(trajectories.run(made.workspace, settings))


def cluster(made: Made, recorded: Artifact, guard: bool = False, **changes: Any) -> Pool:
    """Cluster trajectories and return the pool that selectors draw from."""
    settings = clusters.Settings(trajectories=recorded.id, map=False, **changes)
    grouped = made.workspace.open(clusters.run(made.workspace, settings))
    filters = Filters(guard="relative") if guard else None
    return selection.load_pool(grouped, "s2l", filters=filters)


def target(made: Made, base: str) -> Any:
    """Load an untrained target and its tokenizer."""
    if base == WARM:
        return loading.load(made.base, seed=BASE_SEED)
    texts = pool_texts(made.workspace.open(made.dataset), SCRATCH, "plain")
    return loading.load(SCRATCH, seed=BASE_SEED, texts=texts)


def train(made: Made, rows: Ints, regime: Regime, seed: int) -> dict[str, float]:
    """Fine-tune a target on rows in equal steps and test it; no rows, and the base is tested."""
    model, tokenizer = target(made, regime.base)
    tokens = made.tokens(tokenizer)
    test = np.flatnonzero(made.test)
    if len(rows):
        recipe = Recipe(steps=regime.steps, batch_size=regime.batch_size, lr=regime.lr, seed=seed)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="evidence-"))
        try:
            fit(model, tokens, rows, recipe, folder, stage="target")
        finally:
            shutil.rmtree(folder)
    losses = pd.Series(score(model, tokens, test).losses.astype(float))
    return {str(k): float(v) for k, v in losses.groupby(made.kinds[test]).mean().items()}


def means(made: Made, losses: dict[str, float]) -> dict[str, float]:
    """Return the means of test losses over kinds."""
    kinds = pd.Series(made.kinds[made.pool]).value_counts()
    by_kind = pd.Series(losses)[kinds.index]
    return {
        "loss": float(by_kind.mean()),
        "as_pool": float((by_kind * kinds / kinds.sum()).sum()),
        "rarest": float(by_kind[kinds.index[-RAREST:]].mean()),
    }


def contents(made: Made, rows: Ints) -> dict[str, float]:
    """Return what is known of selected rows and was hidden from the selector."""
    kinds = pd.Series(made.kinds[made.pool]).value_counts()
    counts = pd.Series(made.kinds[rows]).value_counts()
    share = counts / counts.sum()
    return {
        "rows": len(rows),
        "covered": len(counts),
        "entropy": float(-(share * np.log(share)).sum() / np.log(len(kinds))),
        "rarest_rows": int(counts.reindex(kinds.index[-RAREST:]).sum()),
        "wrong": float(made.wrong[rows].mean()),
    }
