"""The embedded demo: the whole pipeline on generated puzzles, with models of 0.3M parameters.

Every fine-tune starts from one base model, trained briefly on questions of the same kinds that are
in neither pool nor test; it is made once and cached by its recipe.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil

import numpy as np

from core import clusters, dataset, selection, study, trajectories
from core.demo.puzzles import TASKS, Puzzle, generate
from core.jobs.progress import Progress, say
from core.model import loading, scratch
from core.settings import Group, setting
from core.training.recipe import Recipe
from core.workspace.files import fingerprint, rename
from core.workspace.store import Workspace

NAME = "puzzles (demo)"
WHAT = (
    f"{sum(n for n, _ in TASKS.values()):,} short puzzles of {len(TASKS)} kinds, some fifteen "
    "times as common as others. A proxy learns them all, the clusters choose 11%, and a small "
    "model trained on those is compared with one trained on a random 11% and one on all. "
    "The models are tiny: it shows how the tool works, not how large models behave."
)
VERDICT = "one draw each: a walk-through, not evidence"
BASE = {"steps": 80, "batch_size": 32, "lr": 3e-3, "seed": 7}
STAGES = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Group):
    """The demo's only choice."""

    seed: int = setting(0, help="Of the generated puzzles and of every draw", minimum=0)
    name: str = setting("", help="What to call it", identity=False)


def run(workspace: Workspace, settings: Settings) -> str:
    """Run the pipeline end to end; return the study's id."""
    seed = settings.seed
    progress = Progress("demo", STAGES)
    rows = list(generate(1_000_000 * seed))
    base = base_model(workspace, [r for r in rows if r["split"] == "base"])
    progress.update(1)
    source = write_rows(workspace, [r for r in rows if r["split"] != "base"], seed)
    data = dataset.run(
        workspace,
        dataset.Settings(
            path=str(source),
            prompt_column="question",
            response_column="answer",
            source_column="source",
            split_column="split",
            name=settings.name or NAME,
        ),
    )
    recorded = trajectories.run(
        workspace, trajectories.Settings(dataset=data, model="scratch:tiny", epochs=8.0, seed=1)
    )
    progress.update(2)
    grouped = clusters.run(workspace, clusters.Settings(trajectories=recorded, map=False))
    progress.update(3)
    for strategy in ("s2l", "random"):
        selection.run(workspace, selection.Settings(parent=grouped, strategy=strategy, seed=seed))
    progress.update(4)
    compared = study.run(
        workspace,
        study.Settings(
            clusters=grouped,
            strategies="s2l,random,full",
            seeds=str(seed),
            model=str(base),
            steps=500,
            lr=1e-3,
            name=f"{NAME}: {VERDICT}",
        ),
    )
    progress.update(5)
    say(VERDICT)
    return compared


def write_rows(workspace: Workspace, rows: list[Puzzle], seed: int) -> pathlib.Path:
    """Write pool and holdout as a JSONL file, as a person's own data would come."""
    folder = workspace.cache / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"puzzles-{seed}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def base_model(workspace: Workspace, rows: list[Puzzle]) -> pathlib.Path:
    """Return the directory of the shared base model, training it the first time."""
    from core.model.templates import renderer
    from core.model.tokens import in_memory
    from core.training.loop import fit

    key = fingerprint("base", BASE, scratch.SCRATCH["tiny"], rows)
    folder = workspace.cache / "base" / key / "puzzle-base"
    if (folder / "config.json").exists():
        return folder
    texts = [f"{r['question']}\n{r['answer']}" for r in rows]
    model, tokenizer = loading.load("scratch:tiny", seed=int(BASE["seed"]), texts=texts)
    conversations = [
        [{"role": "user", "content": r["question"]}, {"role": "assistant", "content": r["answer"]}]
        for r in rows
    ]
    tokens = in_memory(tokenizer, renderer("plain", tokenizer), conversations, "plain")
    work = folder.with_name(".unfinished")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    recipe = Recipe(**BASE)  # type: ignore[arg-type]
    fit(model, tokens, np.arange(len(rows)), recipe, work, stage="train base")
    model.save_pretrained(work)
    tokenizer.save_pretrained(work)
    shutil.rmtree(work / "checkpoints", ignore_errors=True)
    rename(work, folder)
    return folder
