"""Trajectories of next week's data: rows measured before keep their losses, new ones are scored.

The new rows are scored on the checkpoints that the proxy kept, so by the very weights that measured
the old ones. The proxy was trained on the old rows and not on the new: what it knows by heart of
the old ones it does not know of these.
"""

from __future__ import annotations

import pathlib

import numpy as np
import numpy.typing as npt

from core.arrays import Float32s, Ints
from core.errors import InputError
from core.jobs.progress import say
from core.model import tokenizers
from core.model.tokens import Tokens, tokenize
from core.settings import conflicting_flags
from core.trajectories.artifact import (
    KEPT,
    TrajectoriesSummary,
    load_flags,
    load_losses,
    load_steps,
    pool_rows,
)
from core.trajectories.scored_columns import ScoredColumn, checkpoints, record, scorer, step
from core.trajectories.seal import finish
from core.trajectories.settings import Settings
from core.workspace.artifact import EXTENDS, Artifact
from core.workspace.files import fingerprint
from core.workspace.store import Workspace

OWN = ("dataset", "extend", "resume", "name", "map", "accept_long")
"""The settings that are not those of the run that is extended."""


def run(workspace: Workspace, settings: Settings) -> str:
    """Carry the old losses over, score the new rows, seal; return the id.

    Raises:
        InputError: the old run kept no checkpoints, or the dataset has no row that it lacks.
        Stopped: asked to stop between checkpoints; `resume` goes on there.
    """
    old = workspace.open(settings.extend, "trajectories")
    dataset = old.open(settings.dataset, "dataset")
    if given := conflicting_flags(settings, old.config, OWN):
        raise InputError(f"--extend has the settings of {old.id}; leave {', '.join(given)} away")
    folders = kept(old)
    tokenizer = tokenizers.load_tokenizer(str(old.path / "proxy"))
    template, most = str(old.config["template"]), int(old.config["max_length"])
    tokens = tokenize(workspace, dataset, tokenizer, template, most)
    before = tokenize(workspace, old.ancestor("dataset"), tokenizer, template, most)
    rows, flags = pool_rows(dataset, tokens, limit=0, seed=0)
    ids = flags["id"].to_numpy()
    sealed = flags["id"].isin(held_out(old)).to_numpy()[rows]
    flags.loc[rows[sealed], "flag"] = "holdout"
    rows = rows[~sealed]
    at, changed = known(old, before, tokens, ids, rows)
    carried, new = rows[at >= 0], rows[at < 0]
    say(
        f"{len(carried):,} of {len(rows):,} rows keep the losses of {old.name}; "
        f"{len(new):,} are new"
        + (f", {changed:,} of them with an id that had another text" if changed else "")
        + (f"; {sealed.sum():,} stay out: they were held out before" if sealed.any() else "")
    )
    if not len(new):
        raise InputError(
            f"every row of {dataset.name} that can be scored has losses in {old.name} already"
        )
    values = load_losses(old)

    def column(t: int, folder: pathlib.Path) -> ScoredColumn:
        scored = scorer(folder, tokens, new, str(old.config.get("precision", "auto")))

        def losses() -> Float32s:
            out = scored()
            out[carried] = values[at[at >= 0], t]
            return out

        return ScoredColumn(step(folder), losses)

    key = fingerprint("extended", dataset.id, old.id)
    if settings.resume and (done := workspace.finished("trajectories", key, settings.name)):
        say(f"{done.id} was finished before")
        return done.id
    draft = workspace.unfinished("trajectories", key, settings.name) if settings.resume else None
    draft = draft or workspace.draft(
        "trajectories",
        name=settings.name or f"{dataset.name} · extends {old.name}",
        config={**old.config, **{name: getattr(settings, name) for name in OWN}},
        parents={"dataset": dataset.id, EXTENDS: old.id},
        fingerprint=key,
    )
    try:
        columns = [column(t, folder) for t, folder in enumerate(folders)]
        record(draft, columns, rows, len(ids), stage="score new rows")
        tokenizer.save_pretrained(draft.path / "proxy")
        known_of_old = old.summary_as(TrajectoriesSummary)
        steps = {"steps": known_of_old["steps"], "parameters": known_of_old["parameters"]}
        counts = {"carried": len(carried), "new": len(new), "held_out_before": int(sealed.sum())}
        facts = {**steps, **counts, **tokens.remarks.facts(len(tokens))}
        return finish(draft, rows, flags, facts).id
    except InputError:
        draft.discard()  # it would fail again
        raise


def kept(old: Artifact) -> list[pathlib.Path]:
    """Return the checkpoints kept of every recording, in order of step.

    They stand in the run that trained the proxy, however often it was extended since.

    Raises:
        InputError: none were kept.
    """
    trained = old.extended()[-1]
    folders = checkpoints(trained.path / KEPT)
    if [step(f) for f in folders] != load_steps(trained).tolist():
        raise InputError(
            f"{old.id} was imported, so its checkpoints are not here; import the losses of the new "
            "rows in the same way"
            if trained.summary_as(TrajectoriesSummary).get("imported")
            else f"{old.id} kept no checkpoints to score new rows on; train again with "
            "--keep-checkpoints"
        )
    return folders


def held_out(old: Artifact) -> set[str]:
    """Return the ids that were test rows when the proxy was trained, or in any extension since."""
    ids: set[str] = set()
    for earlier in old.extended():
        flags = load_flags(earlier)
        ids |= set(flags.loc[flags["flag"] == "holdout", "id"])
    return ids


def known(
    old: Artifact, before: Tokens, tokens: Tokens, ids: npt.NDArray[np.object_], rows: Ints
) -> tuple[Ints, int]:
    """Find rows in an earlier run: by id, and only where the model sees the same as it saw then.

    Args:
        before: The tokens of its dataset.
        tokens: The tokens of the new dataset.
        ids: The ids of the new dataset (n_rows,).

    Returns:
        Each row's place in the earlier run, -1 where it was not measured (len(rows),); and how many
        have the id of a row that was another then.
    """
    flags = load_flags(old)
    measured = flags.index[flags["flag"] == ""]
    place = dict(zip(flags["id"][measured], measured, strict=True))
    at = np.array([place.get(ids[r], -1) for r in rows], np.int64)
    changed = 0
    for i in np.flatnonzero(at >= 0):
        pairs = zip(before.row(at[i]), tokens.row(rows[i]), strict=True)
        if not all(np.array_equal(a, b) for a, b in pairs):
            at[i] = -1
            changed += 1
    return at, changed
