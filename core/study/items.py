"""The items of a study's test, one by one: which arm has which of them right."""

from __future__ import annotations

import math
import pathlib
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.arrays import Float64s
from core.dataset.artifact import load_examples
from core.dataset.sides import PAIRS
from core.finetune import more_tests
from core.finetune.artifact import ITEMS, Generation, load_generations
from core.finetune.metrics import METRICS
from core.review.k_sweep import adjusted_agreement
from core.study import results
from core.study.artifact import BASE_FOLDER, StudySummary
from core.study.artifact import table as table_of
from core.workspace.artifact import Artifact
from core.workspace.files import read_jsonl


class ItemDifference(NamedTuple):
    """A difference of two arms over the items and seeds that both have."""

    mean: float
    low: float
    high: float
    items: int
    seeds: int


def by_run(study: Artifact, test: str = "") -> dict[tuple[str, int], pd.DataFrame]:
    """Return (arm, seed) -> its items, of the fine-tunes that kept them.

    Args:
        test: Key of a test beside the first.
    """
    lines = table_of(study)[["arm", "seed", "finetune"]].itertuples(index=False)
    read = {
        (str(arm), int(seed)): _kept(study.open(id).path, test) for arm, seed, id in lines if id
    }
    return {run: items for run, items in read.items() if items is not None}


def of_base(study: Artifact, test: str = "") -> pd.DataFrame | None:
    """Return the items of the untuned base; None of a study that did not keep them."""
    return _kept(study.path / BASE_FOLDER, test)


def _kept(folder: pathlib.Path, test: str) -> pd.DataFrame | None:
    path = more_tests.folder_of(folder, test) / ITEMS
    return pd.read_parquet(path).set_index("id") if path.exists() else None


def interval(
    runs: dict[tuple[str, int], pd.DataFrame], metric: str, arm: str, other: str
) -> ItemDifference | None:
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
    if not all(column in items for items in runs.values()):
        return None
    values = [[runs[a, s][column].dropna().astype(float) for s in seeds] for a in (arm, other)]
    shared = sorted(set.intersection(*(set(v.index) for side in values for v in side)))
    if not shared:
        return None
    ours, theirs = (np.array([v.loc[shared] for v in side]) for side in values)
    differences: Float64s = scale * (ours - theirs)[None]
    [[low, high]] = results.bootstrap(differences)
    return ItemDifference(float(differences.mean()), low, high, len(shared), len(seeds))


class Discordant(NamedTuple):
    """The items that only one of two arms has right, of one seed."""

    seed: int
    items: int
    only_arm: int
    only_other: int
    p: float
    """McNemar's exact test."""
    agreement: float
    """Share of items with the same verdict."""
    beyond_chance: float
    """That share beyond what two arms of such accuracies share by chance; NaN where it is all."""


def discordant(runs: dict[tuple[str, int], pd.DataFrame], arm: str, other: str) -> list[Discordant]:
    """Compare the verdicts of two arms item by item, one line for each seed they share."""
    out = []
    for seed in sorted({s for a, s in runs if a == arm} & {s for a, s in runs if a == other}):
        a, b = (runs[name, seed]["right"].dropna().astype(bool) for name in (arm, other))
        a, b = a.align(b, join="inner")
        if not len(a):
            continue
        only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
        same = float((a == b).mean())
        chance = float(a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean()))
        beyond = adjusted_agreement(same, chance) if chance < 1 else math.nan
        p = results.mcnemar(only_a, only_b)
        out.append(Discordant(seed, len(a), only_a, only_b, p, same, beyond))
    return out


def by_group(
    runs: dict[tuple[str, int], pd.DataFrame], metric: str, groups: pd.Series
) -> pd.DataFrame:
    """Return each group's mean over items, then over seeds: a line a group, a column an arm.

    Args:
        runs: As `by_run` gives them.
        metric: loss or exact_match.
        groups: Item id -> its group; items without one are left out.

    Returns:
        items (that some arm was measured on), then the arms; indexed by group.
    """
    column = METRICS[metric].column
    means: dict[str, list[pd.Series]] = {}
    counted = pd.Series(dtype=float)
    for (arm, _), items in runs.items():
        if column not in items:
            continue
        values = items[column].dropna().astype(float)
        grouped = values.groupby(groups.reindex(values.index))
        means.setdefault(arm, []).append(grouped.mean())
        counted = grouped.size().combine(counted, max, 0)
    table = pd.DataFrame({arm: pd.concat(m, axis=1).mean(axis=1) for arm, m in means.items()})
    if table.empty:
        return table
    table.insert(0, "items", counted.reindex(table.index).astype(int))
    return table.sort_values("items", ascending=False, kind="stable")


def sources_of(runs: dict[tuple[str, int], pd.DataFrame]) -> pd.Series:
    """Return item id -> source."""
    sources = pd.concat([items["source"] for items in runs.values()]).astype(str)
    once: pd.Series = sources[~sources.index.duplicated()]
    return once


def disagreements(study: Artifact, seed: int, test: str = "") -> pd.DataFrame:
    """Return the items that some arms have right and others wrong, with every arm's answer.

    Returns:
        id, source, question, gold, and for each arm what it answered, whether that is right, and
        why: what was compared how.
    """
    lines = table_of(study)
    lines = lines[(lines["seed"] == seed) & (lines["finetune"] != "")]
    said: dict[str, dict[str, Generation]] = {}
    for arm, run in lines[["arm", "finetune"]].itertuples(index=False):
        folder = more_tests.folder_of(study.open(run).path, test)
        said[str(arm)] = {g["id"]: g for g in load_generations(folder)}
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
            row[f"{arm}: why"] = _why(answers[id])
        rows.append(row)
    return pd.DataFrame(rows)


def _why(answer: Generation) -> str:
    """Say how an answer was judged: taken from where, compared by what, ended how."""
    parts = [f"{answer['where']}" if answer.get("where") else ""]
    parts.append(f"compared as {answer['matcher']}" if answer.get("matcher") else "")
    parts.append("ran on past its answer" if answer.get("ran_on") else "")
    parts.append("cut at the length limit" if answer.get("at_limit") else "")
    return "; ".join(filter(None, parts))


def given_away(study: Artifact, test: str = "") -> set[str]:
    """Return the ids of the test items that rows of some arm give away: copies and their like."""
    out: set[str] = set()
    names: pd.Series | None = None
    for id in filter(None, table_of(study)["finetune"]):
        run = study.open(id)
        pairs = read_jsonl(more_tests.folder_of(run.path, test) / PAIRS)
        rows = [pair["test_row"] for pair in pairs if pair["how"] != "ngrams"]
        if rows:
            if names is None:
                tested = study.open(tested_on(study, run, test))
                examples = load_examples(tested, ["row", "id"])
                names = examples.set_index("row")["id"]
            out |= set(names.loc[rows].astype(str))
    return out


def with_and_without(
    runs: dict[tuple[str, int], pd.DataFrame], metric: str, gone: set[str]
) -> pd.DataFrame:
    """Return each arm's mean over all items, and over those that no training row gives away.

    Returns:
        arm, items, all, left (items), without.
    """
    every = sorted({str(id) for items in runs.values() for id in items.index})
    one = by_group(runs, metric, pd.Series("all", every))
    rest = by_group(runs, metric, pd.Series("all", [id for id in every if id not in gone]))
    if one.empty:
        return pd.DataFrame()
    arms = [column for column in one if column != "items"]
    return pd.DataFrame(
        {
            "arm": arms,
            "items": int(one["items"].iloc[0]),
            "all": [float(one[arm].iloc[0]) for arm in arms],
            "left": int(rest["items"].iloc[0]) if len(rest) else 0,
            "without": [float(rest[arm].iloc[0]) if len(rest) else math.nan for arm in arms],
        }
    )


def tested_on(study: Artifact, run: Artifact, test: str) -> str:
    """Return the id of the dataset that a run of a study was tested on; `test` as in `by_run`."""
    tests = study.summary_as(StudySummary).get("tests", {})
    return str(tests[test]["dataset"] if test else run.parents["test"])
