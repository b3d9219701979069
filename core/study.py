"""Studies: the same target fine-tuned on several selections with equal steps, and the untuned base.

Fine-tunes that already exist are reused; a study names them as parents and copies nothing.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd

from core import budget as budgets
from core import edits, finetune, models, selection, selectors
from core.artifact import Artifact
from core.pool import NO_SOURCE
from core.progress import say
from core.settings import MAX_SEED, Auto, check, setting, to_config
from core.store import Workspace
from core.target import short
from core.templates import choose
from core.texts import pool_texts

BASE = "untuned base"
METRICS = ("balanced_loss", "loss", "exact_match", "coverage")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Which selections to compare, on which target."""

    clusters: str = setting(help="Clusters id", hidden=True)
    strategies: str = setting(
        "s2l,random,random_per_source,full",
        help="Arms, separated by commas; random and full belong in every comparison",
    )
    budget: str = setting("11%", help=f"Of every arm but full: {budgets.GRAMMAR}")
    seeds: str = setting(
        "0,1,2", help="Draw and training seeds, separated by commas; one run each per arm"
    )
    model: str = setting(
        "scratch:small",
        help="Target: a local directory, a hub id, scratch:tiny or scratch:small",
        label="Target model",
        suggestions=models.TARGETS,
    )
    method: str = setting(
        "full", help="Train all weights, or a LoRA adapter", choices=("full", "lora")
    )
    steps: int | Auto = setting(
        "auto",
        help="Optimizer steps of every arm; auto is 3 epochs of the budget (6 from scratch), "
        "at least 200",
        minimum=1,
    )
    lr: float | Auto = setting(
        "auto",
        help="Peak learning rate; auto is 2e-5, LoRA 2e-4, from scratch 3e-3",
        label="Learning rate",
        above=0,
        maximum=1,
        advanced=True,
    )
    batch_size: int = setting(32, help="Rows a step", minimum=1, advanced=True)
    eval: str = setting(
        "", help="Test file or dataset id; the dataset's own held-out rows when empty"
    )
    decode: int = setting(
        500,
        help="Test items answered for exact match, at most; 0 is none",
        minimum=0,
        advanced=True,
    )
    edits: int | Auto = setting(
        "auto",
        help="Edits that every arm honours: auto is all up to now, 0 none, N the first N of the "
        "dataset's log",
        minimum=0,
        hidden=True,
    )
    resume: bool = setting(
        True, help="Reuse fine-tunes of the same settings", identity=False, hidden=True
    )
    name: str = setting("", help="What to call it", identity=False, advanced=True)

    def __post_init__(self) -> None:
        check(self)
        budgets.parse(self.budget)
        named = strategies(self)
        for strategy in named:
            if strategy not in selectors.SELECTORS:
                raise ValueError(
                    f"--strategies has {strategy!r}; there are {', '.join(selectors.SELECTORS)}"
                )
        if "random_cost_matched" in named:
            raise ValueError(
                "random_cost_matched compares at equal epochs, and the arms of a study have equal "
                "steps; leave it out of --strategies"
            )
        if named[0] in selectors.OWN_SIZE and "random_token_matched" in named:
            raise ValueError(
                "random_token_matched is as large as the first arm, so that must be a selection by "
                f"budget, not {named[0]}"
            )
        seeds(self)


def strategies(settings: Settings) -> list[str]:
    """Return the arms without repeats, in the order given."""
    named = [s.strip() for s in settings.strategies.split(",") if s.strip()]
    if not named:
        raise ValueError("--strategies names no arm; try s2l,random,full")
    return list(dict.fromkeys(named))


def seeds(settings: Settings) -> list[int]:
    """Return the seeds without repeats."""
    parts = [p.strip() for p in settings.seeds.split(",") if p.strip()]
    if not parts or not all(p.isdecimal() and int(p) <= MAX_SEED for p in parts):
        raise ValueError(f"--seeds takes whole numbers such as 0,1,2; not {settings.seeds!r}")
    return list(dict.fromkeys(map(int, parts)))


def run(workspace: Workspace, settings: Settings) -> str:
    """Make or reuse every arm, test the base, seal the table; return the id.

    Edits made meanwhile are not honoured: the arms draw from one pool.
    """
    first = selection.Settings(parent=settings.clusters, edits=settings.edits)
    s = dataclasses.replace(settings, edits=selection.resolved(workspace, first).edits)
    clusters = workspace.open(s.clusters, "clusters")
    dataset = workspace.ancestor(clusters, "dataset")
    s = _with_sources_only(s, dataset)
    test, split = finetune.test_set(workspace, dataset, s.eval)
    steps = s.steps if s.steps != "auto" else _auto_steps(workspace, clusters, s)
    runs: list[tuple[str, int, Artifact]] = []
    wanted = [(strategy, seed) for seed in seeds(s) for strategy in strategies(s)]
    for number, (strategy, seed) in enumerate(wanted):
        say(f"arm {number + 1} of {len(wanted)}: {strategy}, seed {seed}, {steps:,} steps")
        made = _arm(workspace, clusters, test, s, strategy, seed, int(steps))
        runs.append((strategy, seed, made))
    base = _base_scores(workspace, dataset, test, split, s)
    table = pd.DataFrame([_record(arm, seed, made) for arm, seed, made in runs])
    draft = workspace.draft(
        "study",
        name=s.name or f"{dataset.name} · {s.budget} · {short(s.model)}",
        config={**to_config(s), "steps": int(steps)},
        parents={"clusters": clusters.id} | {f"{arm} {seed}": made.id for arm, seed, made in runs},
    )
    table.to_parquet(draft.path / "table.parquet")
    pd.DataFrame([{"arm": BASE, **base}]).to_parquet(draft.path / "base.parquet")
    means = table.groupby("arm")[[m for m in METRICS if m in table]].mean()
    artifact = draft.seal(
        {
            "arms": strategies(s),
            "seeds": seeds(s),
            "steps": int(steps),
            "budget": s.budget,
            "test": test.name,
            "base": base,
            "means": {arm: row.to_dict() for arm, row in means.iterrows()},
        }
    )
    say(as_text(table, base))
    return artifact.id


def _with_sources_only(s: Settings, dataset: Artifact) -> Settings:
    """Leave out the arms that share a budget over sources where the data names none."""
    out = [name for name in strategies(s) if name in selectors.NEEDS_SOURCES]
    if not out or list(dataset.summary["sources"]) != [NO_SOURCE]:
        return s
    say(f"the data names no sources, so these arms are left out: {', '.join(out)}")
    return dataclasses.replace(s, strategies=",".join(n for n in strategies(s) if n not in out))


def as_text(table: pd.DataFrame, base: dict[str, Any]) -> str:
    """Write the result as a table for a terminal: mean and range over seeds, denominators."""
    lines = [f"{'arm':20} {'rows':>6} {'balanced loss':>22} {'exact match':>24} {'covered':>12}"]
    groups = [(BASE, pd.DataFrame([base]))] + [
        (str(arm), part) for arm, part in table.groupby("arm", sort=False)
    ]
    for arm, part in groups:
        rows = f"{part['rows'].iloc[0]:,}" if "rows" in part else "0"
        loss = _spread(part, "balanced_loss", 1, "{:.3f}")
        match = _spread(part, "exact_match", 100, "{:.1f}%")
        if "decoded" in part:
            match += f" of {part['decoded'].iloc[0]:,}"
        covered = _spread(part, "covered", 1, "{:.0f}")
        if "sources" in part:
            covered += f" of {part['sources'].iloc[0]}"
        lines.append(f"{arm:20} {rows:>6} {loss:>22} {match:>24} {covered:>12}")
    return "\n".join(lines)


def _spread(part: pd.DataFrame, metric: str, scale: float, form: str) -> str:
    if metric not in part:
        return "-"
    values = scale * part[metric]
    text = form.format(values.mean())
    if len(values) > 1:
        text += f" [{form.format(values.min())}, {form.format(values.max())}]"
    return text


def _auto_steps(workspace: Workspace, clusters: Artifact, s: Settings) -> int:
    log = edits.read(workspace, workspace.ancestor(clusters, "dataset").id, int(s.edits))
    pool = selection.load_pool(workspace, clusters, "random", log.excluded)
    stay = selection.keep(workspace, pool, "", log.pinned).stay
    rows = len(selectors.choose(pool, "random", budgets.parse(s.budget), 0, stay).positions)
    return finetune.planned_steps(rows, "auto", s.batch_size, s.model)


def _arm(
    workspace: Workspace,
    clusters: Artifact,
    test: Artifact,
    s: Settings,
    strategy: str,
    seed: int,
    steps: int,
) -> Artifact:
    """Return the fine-tune of one arm and seed: draw seed and training seed vary together.

    An arm of matched tokens is as large as the first arm's selection of the same seed.
    """
    drawn = _drawn(workspace, clusters, s, strategy, seed)
    target = finetune.Settings(
        selection=drawn.id,
        model=s.model,
        method=s.method,
        steps=steps,
        lr=s.lr,
        batch_size=s.batch_size,
        seed=seed,
        eval=s.eval,
        decode=s.decode,
        resume=s.resume,
    )
    done = workspace.same("finetune", finetune.key(drawn, test, target)) if s.resume else None
    return done or workspace.open(finetune.run(workspace, target))


def _drawn(
    workspace: Workspace, clusters: Artifact, s: Settings, strategy: str, seed: int
) -> Artifact:
    """Return the selection of one arm and seed."""
    matched = strategy in selectors.MATCHED
    first = _drawn(workspace, clusters, s, strategies(s)[0], seed).id if matched else ""
    chosen = selection.Settings(
        parent=clusters.id,
        strategy=strategy,
        budget=s.budget,
        seed=0 if strategy == "full" else seed,
        edits=s.edits,
        match=first,
    )
    return workspace.same("selection", selection.key(workspace, chosen)) or workspace.open(
        selection.run(workspace, chosen)
    )


def _base_scores(
    workspace: Workspace, dataset: Artifact, test: Artifact, split: str, s: Settings
) -> dict[str, Any]:
    """Test the target before any training; one from scratch with the first seed's weights."""
    from core.evaluation import evaluate, longest_answer
    from core.tokens import tokenize, window

    texts = pool_texts(dataset, s.model)
    model, tokenizer = models.load(s.model, seed=seeds(s)[0], texts=texts)
    template = choose("auto", tokenizer, scratch=models.is_scratch(s.model))
    tokens = tokenize(workspace, dataset, tokenizer, template)
    tokens = tokens.cut(window("auto", tokens.full_lengths(), model))
    result = evaluate(
        workspace,
        model,
        tokenizer,
        test,
        split=split,
        template=template,
        max_length=tokens.max_length,
        max_new=longest_answer(tokens.response_lengths()),
        decode=s.decode,
    )
    return finetune.headline(result.scores)


def _record(arm: str, seed: int, made: Artifact) -> dict[str, Any]:
    kept = {k: v for k, v in made.summary.items() if not isinstance(v, str)}
    return {
        "arm": arm,
        "seed": seed,
        "finetune": made.id,
        "seconds": made.manifest["seconds"],
        **kept,
    }
