"""The pools of the experiments: puzzles with wrong answers, planted skills, texts with topics.

Each is a data set of its own in a workspace of its own, generated from a seed, with a sealed test
that has as many rows of every kind. The kinds are a source column that only label-aware selectors
read.
"""

from __future__ import annotations

import functools
import json
import pathlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks import planted_skills
from core import dataset
from core.arrays import Bools, Ids, Ints
from core.demo.puzzles import generate
from core.demo.run import base_model
from core.model.tokens import Tokens, tokenize
from core.workspace.store import Workspace

TEST_PER_SKILL, BASE_PER_SKILL = 5, 10


class Made(NamedTuple):
    """A generated pool in its workspace; every array is in order of the dataset's rows."""

    name: str
    workspace: Workspace
    dataset: str
    kinds: Ids
    test: Bools
    wrong: Bools
    """Whether the answer was replaced."""
    base_rows: list[dict[str, str]]
    """What the warm base is trained on, in neither pool nor test."""

    @property
    def pool(self) -> Ints:
        """Rows that are not the test's."""
        return np.flatnonzero(~self.test)

    @property
    def base(self) -> str:
        """Directory of the warm base, trained the first time."""
        return str(base_model(self.workspace, self.base_rows))  # type: ignore[arg-type]

    def tokens(self, tokenizer: Any) -> Tokens:
        """Return the rows as every target here reads them: the plain template."""
        return tokenize(self.workspace, self.workspace.open(self.dataset), tokenizer, "plain")


def make(folder: pathlib.Path, kind: str, seed: int, wrong: float = 0.0) -> Made:
    """Make a pool, or open it where it was made before.

    Args:
        folder: Where pools are kept.
        kind: puzzles or planted.
        seed: Of the generator.
        wrong: Share of the pool's answers that become another row's of the same kind.
    """
    name = f"{kind}-{seed}-{100 * wrong:.0f}"
    rows, base_rows = _rows(kind, seed)
    rng = np.random.default_rng((seed, round(100 * wrong)))
    replaced = _replace_answers(rows, wrong, rng) if wrong else set()
    workspace = Workspace(folder / name)
    made = [e.id for e in workspace.entries("dataset")]
    id = made[0] if made else _import(workspace, rows)
    examples = pd.read_parquet(workspace.open(id).path / "examples.parquet")
    return Made(
        name,
        workspace,
        id,
        examples["source"].to_numpy(object),
        (examples["split"] == "holdout").to_numpy(),
        examples["id"].isin(replaced).to_numpy(),
        base_rows,
    )


@functools.lru_cache(maxsize=2)
def _generated(kind: str, seed: int) -> list[dict[str, str]]:
    return list(_puzzles(seed) if kind == "puzzles" else _planted(seed))


def _rows(kind: str, seed: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return the rows of pool and test, and those of the warm base."""
    rows = [dict(row) for row in _generated(kind, seed)]
    return (
        [row for row in rows if row["split"] != "base"],
        [row for row in rows if row["split"] == "base"],
    )


def _puzzles(seed: int) -> list[dict[str, str]]:
    kept = ("source", "question", "answer", "split")
    rows = [{k: row[k] for k in kept} for row in generate(1_000_000 * seed)]  # type: ignore[literal-required]
    order = np.random.default_rng(seed).permutation(len(rows))
    return [{"id": f"{i:05d}", **rows[at]} for i, at in enumerate(order)]


def _planted(seed: int) -> list[dict[str, str]]:
    """Plant a pool of 60 skills, and fresh fillings of every skill for test and base."""
    planted = planted_skills.plant(planted_skills.Plan(), seed)
    out = [{**row, "source": planted.skill[row["id"]], "split": "pool"} for row in planted.rows]
    seen = {row["question"] for row in planted.rows}
    rng = np.random.default_rng((seed, 1))
    for skill in sorted(set(planted.skill.values())):
        for i in range(TEST_PER_SKILL + BASE_PER_SKILL):
            question, answer = _unseen(skill, seen, rng)
            split = "holdout" if i < TEST_PER_SKILL else "base"
            id = f"{split}-{skill}-{i}"
            out.append(
                {"id": id, "question": question, "answer": answer, "source": skill, "split": split}
            )
    return out


def _unseen(skill: str, seen: set[str], rng: np.random.Generator) -> tuple[str, str]:
    for _ in range(10_000):
        slots = planted_skills.fill(rng)
        question, answer = planted_skills.SKILLS[skill](slots)
        opener = rng.choice(planted_skills.OPENERS)
        question = f"{opener}{question}{rng.choice(planted_skills.CLOSERS)}"
        if question not in seen:
            seen.add(question)
            return question, answer
    raise ValueError(f"{skill} has too few distinct questions")


def _replace_answers(
    rows: list[dict[str, str]], share: float, rng: np.random.Generator
) -> set[str]:
    """Give a share of the pool's rows another answer of their kind; return their ids."""
    answers = defaultdict(set)
    pool = [row for row in rows if row["split"] == "pool"]
    for row in pool:
        answers[row["source"]].add(row["answer"])
    can = [row for row in pool if len(answers[row["source"]]) > 1]
    chosen = [can[i] for i in rng.permutation(len(can))[: round(share * len(pool))]]
    for row in chosen:
        row["answer"] = str(rng.choice(sorted(answers[row["source"]] - {row["answer"]})))
    return {row["id"] for row in chosen}


def _import(workspace: Workspace, rows: Sequence[Mapping[Any, str]], **more: Any) -> str:
    path = workspace.root / "rows.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return dataset.run(
        workspace,
        dataset.Settings(
            path=str(path),
            prompt_column="question",
            response_column="answer",
            source_column="source",
            id_column="id",
            **(more or {"split_column": "split"}),
        ),
    )


def topics(folder: pathlib.Path, name: str, path: pathlib.Path, rows: int, longest: int) -> Made:
    """Sample labelled texts of a file: no test, nothing trained on them but proxies.

    Args:
        folder: Where pools are kept.
        name: t0 (sources are templates) or math (sources are topics of MATH).
        path: The file.
        rows: Sampled with seed 60.
        longest: Characters of prompt and response together, above which a row is left out.
    """
    workspace = Workspace(folder / f"{name}-{rows}")
    made = [e.id for e in workspace.entries("dataset")]
    if not made:
        frame = pd.read_parquet(path) if name == "t0" else pd.read_json(path, lines=True)
        frame = frame if name == "t0" else frame[frame["source"] == "math"]
        old = ["prompt", "completion", "source"] if name == "t0" else _MATH
        frame = frame[old].set_axis(["question", "answer", "source"], axis=1)
        frame = frame[frame["question"].str.len() + frame["answer"].str.len() <= longest]
        frame = frame[frame["answer"].str.strip() != ""].drop_duplicates(["question", "answer"])
        frame = frame.sample(min(rows, len(frame)), random_state=60)
        frame.insert(0, "id", [f"{i:05d}" for i in range(len(frame))])
        made = [_import(workspace, frame.to_dict("records"), holdout="0")]
    examples = pd.read_parquet(workspace.open(made[0]).path / "examples.parquet")
    none = np.zeros(len(examples), bool)
    return Made(name, workspace, made[0], examples["source"].to_numpy(object), none, none, [])


_MATH = ["instruction", "output", "topic"]
