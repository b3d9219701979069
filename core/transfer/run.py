"""Transfer: can this proxy speak for a target? A short run of the target on a probe of the rows.

Says how far the two agree on which rows are hard, never that the paper's bound holds.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.arrays import Ints, by_id
from core.dataset.artifact import examples_file
from core.errors import InputError
from core.finetune.settings import Target, default_lr, short
from core.jobs.progress import say
from core.model import adapters, loading, methods
from core.model.conversation import conversations, stored_columns
from core.model.pool_texts import pool_texts
from core.model.remarks import by_reason
from core.model.templates import choose, renderer
from core.settings import Group, identity, setting, to_config
from core.spec import MAX_SEED, Auto
from core.training import settings as training
from core.training.recipe import Recipe
from core.training.settings import FROM_SCRATCH, PRETRAINED, steps_for
from core.training.unfinished import unfinished
from core.trajectories.artifact import load_flags
from core.transfer.artifact import FEWEST, TransferSummary
from core.transfer.compare import finish, verdict
from core.workspace.artifact import Artifact
from core.workspace.files import fingerprint
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from core.model.tokens import Tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class Probe(Group):
    """What the target is compared with, for how long it is trained, and how they are compared."""

    trajectories: str = setting(help="Trajectories id", hidden=True)
    epochs: float | Auto = training.epochs(
        "Passes over these rows; auto is 3, or 6 from scratch", advanced=True
    )
    checkpoints: int = setting(
        7, help="Recordings, step 0 and the last included", minimum=2, maximum=50, advanced=True
    )
    k: int | Auto = setting(
        "auto",
        help="Clusters on either side; auto as for a clustering of these rows",
        label="Clusters (K)",
        minimum=2,
        advanced=True,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Probe, Target):
    """Which target, and on how many rows."""

    rows: int = setting(
        500, help="Measured rows that the target is tried on", minimum=FEWEST, maximum=5000
    )
    seed: int = setting(
        0,
        help="Draws the rows, scratch weights and the order of the data",
        minimum=0,
        maximum=MAX_SEED,
    )
    accept_long: bool = training.accept_long()
    resume: bool = training.resume()
    name: str = setting("", help="What to call it", identity=False, advanced=True)


def run(workspace: Workspace, settings: Settings) -> str:
    """Train the target on the probe, compare, seal; return the id.

    Raises:
        InputError: bad settings, an unreadable model, or a run too long to begin unasked.
        Stopped: asked to stop; what was saved can be resumed.
    """
    from core.training.loop import fit
    from core.training.time_estimate import check_disk, foresee
    from core.trajectories.recorder import TrajectoryRecorder

    s = settings
    proxy = workspace.open(s.trajectories, "trajectories")
    dataset = proxy.ancestor("dataset")
    rows = probe(proxy, s.rows, s.seed)
    model, tokenizer = _load(s, dataset)
    tokens = _tokens(dataset, rows, tokenizer, loading.is_scratch(s.model), model, s.max_length)
    places = np.flatnonzero(tokens.response_lengths() > 0)
    if len(places) < FEWEST:
        why = "; ".join(f"{len(gone):,}: {r}" for r, gone in by_reason(tokens.untrained()))
        raise InputError(
            f"only {len(places)} of {len(rows)} rows have a response token left within "
            f"{tokens.max_length} tokens of {s.model} ({why}); raise --max-length, or take another "
            "target"
        )
    if s.k != "auto" and int(s.k) > len(places):
        raise InputError(f"K = {s.k} but the probe has {len(places)} rows; choose a smaller --k")
    auto = FROM_SCRATCH if loading.is_scratch(s.model) else PRETRAINED
    epochs = float(auto["epochs"] if s.epochs == "auto" else s.epochs)
    lr = default_lr(s.model, s.method) if s.lr == "auto" else float(s.lr)
    recipe = Recipe(
        steps=steps_for(len(places), epochs, s.batch_size),
        batch_size=s.batch_size,
        lr=lr,
        seed=s.seed,
        precision=s.precision,
        **s.optimizing(),
    )
    if s.method != "full":
        model = adapters.with_adapter(model, s.seed, **s.adapter())

    key = fingerprint("transfer", identity(s))
    draft = unfinished(workspace, "transfer", key, s)
    estimate = foresee(
        model,
        tokens,
        places,
        recipe,
        checkpoints=s.checkpoints,
        epochs=epochs,
        accept_long=s.accept_long or draft is not None,  # one begun before may be long
        probe=True,
    )
    if draft is None:
        check_disk(workspace, estimate.disk)
        draft = workspace.draft(
            "transfer",
            name=s.name or f"{proxy.name} → {short(s.model)}",
            config={**to_config(s), "epochs": epochs, "lr": lr, "max_length": tokens.max_length},
            parents={"trajectories": proxy.id},
            fingerprint=key,
        )
    recorder = TrajectoryRecorder(tokens, draft.path, s.checkpoints, places, precision=s.precision)
    fit(
        model,
        tokens,
        places,
        recipe,
        draft.path,
        stage="train target",
        recorder=recorder,
        expected=(estimate.low + estimate.high) / 2,
    )
    facts = {"steps": recipe.steps, "epochs": epochs, "parameters": loading.size(model)}
    artifact = finish(draft, proxy, rows, tokens.response_lengths(), s, facts)
    say(verdict(artifact.summary_as(TransferSummary)))
    return artifact.id


def _load(s: Settings, dataset: Artifact) -> tuple[Any, Any]:
    """Return the target and its tokenizer; an adapter is not yet on it."""
    lora = s.method != "full"
    methods.check(s.method, s.model)
    if lora:
        adapters.check_targets(s.model, s.lora_targets)
    return loading.load(
        s.model,
        seed=s.seed,
        texts=pool_texts(dataset, s.model),
        frozen=lora,
        precision=s.precision,
        four_bits=s.method == methods.QLORA,
    )


def probe(proxy: Artifact, rows: int, seed: int) -> Ints:
    """Draw rows that the proxy has measured; return them in order of id (wanted,).

    Raises:
        InputError: fewer were measured.
    """
    flags = load_flags(proxy)
    measured = np.flatnonzero(flags["flag"] == "")
    measured = measured[by_id(flags["id"].to_numpy()[measured])]
    if rows > len(measured):
        raise InputError(
            f"--rows {rows:,} but {proxy.name} has {len(measured):,} measured rows; "
            f"give at most {len(measured):,}"
        )
    drawn = np.random.default_rng(seed).permutation(len(measured))[:rows]
    return measured[np.sort(drawn)]


def _tokens(
    dataset: Artifact, rows: Ints, tokenizer: Any, scratch: bool, model: Any, max_length: int | str
) -> Tokens:
    """Tokenize the probe alone: a dataset may be a thousand times larger."""
    from core.model.tokens import in_memory, window

    template = choose("auto", tokenizer, scratch=scratch)
    file = examples_file(dataset)
    columns = stored_columns(pq.read_schema(file).names)
    talks = conversations(pq.read_table(file, columns=columns).take(pa.array(rows)))
    tokens = in_memory(tokenizer, renderer(template, tokenizer), talks, template, rows)
    for sentence in tokens.remarks.sentences(len(tokens)):
        say(sentence)
    return tokens.cut(window(max_length, tokens.full_lengths(), model))
