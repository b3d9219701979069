"""Score rows of the pool with what a fine-tune began with and with what it became.

The rows are a seeded sample: some of every cluster, so that small clusters have a number too.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd

from core.arrays import Ints, Labels
from core.chat.speakers import Shelf, Speaker
from core.clusters.artifact import load_labels
from core.dataset.artifact import load_examples
from core.errors import InputError
from core.gains import artifact
from core.gains.settings import Settings
from core.gains.statistics import draw, mean_of
from core.jobs.progress import Progress, Stopped, say, stop_requested
from core.model.tokens import Tokens, tokenize
from core.selection.artifact import load_rows
from core.settings import identity, to_config
from core.workspace.artifact import Artifact
from core.workspace.files import fingerprint
from core.workspace.store import Workspace


def run(workspace: Workspace, settings: Settings) -> str:
    """Score, seal; return the id. What was measured before is not measured again.

    Raises:
        InputError: there is no such fine-tune, or its models cannot be loaded.
        Stopped: asked to stop; nothing is kept.
    """
    made = workspace.open(settings.finetune, "finetune")
    key = fingerprint("gains", made.id, identity(settings))
    if done := workspace.same("gains", key):
        say(f"{done.id} was measured before")
        return done.id
    dataset = made.ancestor("dataset")
    examples = load_examples(dataset, ["id", "source", "split"])
    clusters = _clusters(made, len(examples))
    with Shelf().take(Speaker(made, base=True)) as (model, tokenizer):
        tokens = tokenize(workspace, dataset, tokenizer, made.config["template"])
        tokens = tokens.cut(made.config["max_length"])
        there = (examples["split"] == "pool").to_numpy() & (tokens.response_lengths() > 0)
        pool = np.flatnonzero(there)
        if not len(pool):
            raise InputError(f"no row of {dataset.name} has a response token to score")
        groups: Any = examples["source"].to_numpy(str)[pool] if clusters is None else clusters[pool]
        chosen, weights = draw(groups, settings.rows, settings.seed)
        rows = pool[chosen]
        before = _losses(model, tokens, rows, "score before")
    with Shelf().take(Speaker(made, base=False)) as (model, _):
        after = _losses(model, tokens, rows, "score after")
    table = pd.DataFrame(
        {
            "row": rows,
            "id": examples["id"].to_numpy()[rows],
            "source": examples["source"].to_numpy()[rows],
            "cluster": -1 if clusters is None else clusters[rows],
            "trained": np.isin(rows, load_rows(made.ancestor("selection"))),
            "weight": weights,
            "before": before,
            "after": after,
        }
    )
    unseen = table[~table["trained"]]
    summary: artifact.GainsSummary = {
        "rows": len(table),
        "pool": len(pool),
        "trained": int(table["trained"].sum()),
        "before": cast(float, mean_of(table, "before")),
        "after": cast(float, mean_of(table, "after")),
        "unseen_before": mean_of(unseen, "before"),
        "unseen_after": mean_of(unseen, "after"),
        "groups": "sources" if clusters is None else "clusters",
    }
    draft = workspace.draft(
        "gains",
        name=f"gains of {made.name}",
        config=to_config(settings),
        parents={"finetune": made.id},
        fingerprint=key,
    )
    artifact.write(draft, table)
    say(
        f"mean loss of the pool {summary['before']:.3f} before, {summary['after']:.3f} after, nats "
        f"per response token ({len(table):,} of {len(pool):,} rows scored)"
    )
    return draft.seal(summary).id


def _clusters(made: Artifact, rows: int) -> Labels | None:
    """Return each row's cluster, -1 for none; None where the selection has no clusters."""
    try:
        clusters = made.ancestor("clusters")
    except InputError:
        return None
    labels = load_labels(clusters)
    return labels if len(labels) == rows else None


def _losses(model: Any, tokens: Tokens, rows: Ints, stage: str) -> Any:
    from core.model.scoring import score

    progress = Progress(stage, len(rows))

    def report(done: int) -> None:
        if stop_requested():
            raise Stopped("stopped while scoring rows; start it again")
        progress.update(done)

    return score(model, tokens, rows, report=report).losses
