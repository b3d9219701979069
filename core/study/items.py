"""The items of a study's test, one by one: which arm has which of them right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from core.arrays import Float64s
from core.finetune.artifact import Generation, load_generations, load_results
from core.finetune.metrics import METRICS
from core.study import results
from core.study.artifact import table as table_of
from core.workspace.artifact import Artifact

DISAGREEMENTS = 500
"""Items whose answers are listed side by side, at most."""


class Interval(NamedTuple):
    """A difference of two arms over the items and seeds that both have."""

    mean: float
    low: float
    high: float
    items: int
    seeds: int


def by_run(study: Artifact) -> dict[tuple[str, int], pd.DataFrame]:
    """Return (arm, seed) -> its items, of the fine-tunes that kept them."""
    lines = table_of(study)[["arm", "seed", "finetune"]].itertuples(index=False)
    read = {(str(arm), int(seed)): load_results(study.open(id)) for arm, seed, id in lines}
    return {run: items for run, items in read.items() if items is not None}


def interval(
    runs: dict[tuple[str, int], pd.DataFrame], metric: str, arm: str, other: str
) -> Interval | None:
    """Return the difference of two arms with its 95% interval over items and seeds.

    Items are paired, as both arms answer the same ones; so are seeds. None where the arms share no
    seed, or nothing was measured on the same items.

    Args:
        runs: As `by_run` gives them.
        metric: loss or exact_match.
        arm: Whose difference is taken.
        other: From which.
    """
    column, scale = METRICS[metric].column, METRICS[metric].scale
    seeds = sorted({s for a, s in runs if a == arm} & {s for a, s in runs if a == other})
    if not seeds:
        return None
    values = [[runs[a, s][column].dropna().astype(float) for s in seeds] for a in (arm, other)]
    shared = sorted(set.intersection(*(set(v.index) for side in values for v in side)))
    if not shared:
        return None
    ours, theirs = (np.array([v.loc[shared] for v in side]) for side in values)
    differences: Float64s = scale * (ours - theirs)[None]
    [[low, high]] = results.bootstrap(differences)
    return Interval(float(differences.mean()), low, high, len(shared), len(seeds))


def disagreements(study: Artifact, seed: int) -> pd.DataFrame:
    """Return the items that some arms have right and others wrong, with every arm's answer.

    Returns:
        id, source, question, gold, and for each arm what it answered and whether that is right.
    """
    lines = table_of(study)
    lines = lines[lines["seed"] == seed]
    said: dict[str, dict[str, Generation]] = {}
    for arm, run in lines[["arm", "finetune"]].itertuples(index=False):
        said[str(arm)] = {g["id"]: g for g in load_generations(study.open(run).path)}
    if not said:
        return pd.DataFrame()
    rows = []
    for id in sorted(set.intersection(*(set(answers) for answers in said.values()))):
        verdicts = {arm: answers[id]["right"] for arm, answers in said.items()}
        if len(set(verdicts.values())) == 1:
            continue
        first = next(iter(said.values()))[id]
        row = {"id": id, "source": first["source"], "question": first["prompt"]}
        row["gold"] = first["answer"]
        for arm, answers in said.items():
            mark = "right" if verdicts[arm] else "wrong"
            row[arm] = f"{mark}: {answers[id].get('extracted') or answers[id]['said']}"
        rows.append(row)
    return pd.DataFrame(rows[:DISAGREEMENTS])
