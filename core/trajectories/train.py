"""Trajectories: train a proxy on the whole dataset and record every example's loss on the way."""

from __future__ import annotations

import dataclasses
import pathlib
import time
from typing import TYPE_CHECKING, Any

from core.jobs import process_group
from core.jobs.launchers import LAUNCHERS, launch
from core.jobs.progress import say
from core.jobs.warm_process import Drawer
from core.model import loading
from core.model.pool_texts import pool_texts
from core.model.templates import TEMPLATES, choose
from core.selection.budget import steps_for
from core.settings import MAX_SEED, Auto, check, setting, to_argv, to_config, with_preset
from core.trajectories import proxy_warnings
from core.trajectories.artifact import finish, pool_rows
from core.workspace.artifact import Draft
from core.workspace.files import fingerprint, read_json
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from core.training.time_estimate import Estimate

PRETRAINED = {"epochs": 3.0, "lr": 2e-5, "batch_size": 128}
"""The paper's values."""
FROM_SCRATCH = {"epochs": 6.0, "lr": 3e-3, "batch_size": 32}
SCHEDULES = ("linear", "log", "equal_loss")
PAPER = {
    "model": "EleutherAI/pythia-70m-deduped",
    "epochs": 3.0,
    "lr": 2e-5,
    "batch_size": 128,
    "max_length": 512,
    "template": "alpaca",
}
"""Proxy settings of arXiv 2403.07384; cosine, 3% warm-up and no weight decay are ours always."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train the proxy and when to record."""

    dataset: str = setting(help="Dataset id", hidden=True)
    model: str = setting(
        "scratch:small",
        help="Proxy: scratch:tiny, scratch:small, a local directory, a hub id, "
        "or shrink:<model>:<layers>, with :trim cut to the data's vocabulary too",
        label="Proxy model",
        suggestions=loading.PROXIES,
    )
    epochs: float | Auto = setting(
        "auto", help="Passes over the data; auto is 3, or 6 from scratch", above=0, maximum=1000
    )
    checkpoints: int = setting(
        13,
        help="Recordings, step 0 and the last included; 13 gives the paper's 12 features",
        minimum=2,
        maximum=200,
    )
    schedule: str = setting(
        "linear",
        help="Where recordings stand: linear; log: dense early; equal_loss: whenever the training "
        "loss has fallen by an equal share",
        choices=SCHEDULES,
        advanced=True,
    )
    record: str = setting(
        "all",
        help="all: every row at every recording, with the same weights; epoch: what the training "
        "pass saw, free, one column an epoch",
        choices=("all", "epoch"),
        advanced=True,
    )
    keep_checkpoints: bool = setting(
        False,
        help="Keep the proxy's weights at every recording (4 bytes x parameters each), so that "
        "next week's rows can be scored on them",
        advanced=True,
    )
    seed: int = setting(
        0,
        help="Draws scratch weights and the order of the data",
        minimum=0,
        maximum=MAX_SEED,
        advanced=True,
    )
    lr: float | Auto = setting(
        "auto",
        help="Peak learning rate; auto is 2e-5, or 3e-3 from scratch",
        label="Learning rate",
        above=0,
        maximum=1,
        advanced=True,
    )
    batch_size: int | Auto = setting(
        "auto", help="Rows a step; auto is 128, or 32 from scratch", minimum=1, advanced=True
    )
    max_length: int | Auto = setting(
        "auto",
        help="Longest row in tokens, longer ones are cut; auto is the 99th percentile",
        minimum=8,
        advanced=True,
    )
    precision: str = setting(
        "auto",
        help="Of the matrix products: fp32; bf16, faster where the processor has it, losses within "
        "about 0.01; auto is bf16 on a GPU, fp32 on a CPU",
        choices=loading.PRECISIONS,
        advanced=True,
    )
    template: str = setting(
        "auto",
        help="Prompt template; auto is the model's chat template, else Alpaca; plain from scratch",
        choices=("auto", *TEMPLATES),
        advanced=True,
    )
    limit: int = setting(
        0, help="Use a random sample of this many rows; 0 is all", minimum=0, advanced=True
    )
    preset: str = setting(
        "none",
        help="paper: Pythia-70M and every value of the paper, where no other is given",
        choices=("none", "paper"),
        advanced=True,
    )
    map: bool = setting(
        True, help="Also draw the map of trajectories when done", identity=False, hidden=True
    )
    accept_long: bool = setting(
        False, help="Begin even if it takes over 30 minutes", identity=False, hidden=True
    )
    processes: int = setting(
        1, help="Processes that share the work", minimum=1, identity=False, advanced=True
    )
    launcher: str = setting(
        "torchrun",
        help="What starts the processes: torchrun on this machine; ray on the cluster at "
        "$RAY_ADDRESS, else on this machine",
        choices=tuple(LAUNCHERS),
        identity=False,
        advanced=True,
    )
    source: str = setting(
        "",
        flags=("--import",),
        help="Take losses from elsewhere instead of training: a directory of checkpoint-* with "
        "losses.pt or with models to score, or a .npy or .parquet matrix",
        hidden=True,
    )
    extend: str = setting(
        "",
        help="Trajectories id: instead of training, score the rows of the dataset that it does not "
        "have on the checkpoints it kept",
        hidden=True,
    )
    resume: bool = setting(
        False,
        help="Continue the newest unfinished run of the same settings",
        identity=False,
        hidden=True,
    )
    name: str = setting("", help="What to call it", identity=False, advanced=True)

    def __post_init__(self) -> None:
        check(self)
        if self.keep_checkpoints and self.record == "epoch":
            raise ValueError(
                "--keep-checkpoints needs --record all: a column of --record epoch comes from all "
                "the weights of an epoch, so there are none to keep"
            )
        if self.keep_checkpoints and self.source:
            raise ValueError("--keep-checkpoints keeps what is trained here; --import trains none")


def resolve(settings: Settings) -> Settings:
    """Replace presets and the autos that depend on the model alone."""
    out = with_preset(settings, PAPER) if settings.preset == "paper" else settings
    auto: dict[str, Any] = FROM_SCRATCH if loading.is_scratch(out.model) else PRETRAINED
    return dataclasses.replace(out, **{k: v for k, v in auto.items() if getattr(out, k) == "auto"})


def run(workspace: Workspace, settings: Settings) -> str:
    """Train, record, seal; return the id.

    Raises:
        ValueError: bad settings, an unreadable model, or a run too long to begin unasked.
        Stopped: asked to stop; what was saved can be resumed.
    """
    if settings.extend:
        from core.trajectories import extend as extended

        return extended.run(workspace, settings)
    if settings.source:
        from core.trajectories import from_files

        return from_files.run(workspace, settings)
    shared = settings.processes > 1 or settings.launcher == "ray"
    if shared and not process_group.launched():
        argv = ["trajectories", *to_argv(settings)]
        return launch(settings.launcher, workspace, argv, settings.processes)
    from core.model.tokens import tokenize, window
    from core.training.loop import Recipe, fit
    from core.training.time_estimate import check_disk, foresee
    from core.trajectories.epoch_recorder import EpochRecorder
    from core.trajectories.recorder import TrajectoryRecorder

    dataset = workspace.open(settings.dataset, "dataset")
    if not dataset.summary.get("trainable", True):
        raise ValueError(f"{dataset.name} has no responses, so a proxy cannot be trained on it")
    s = resolve(settings)
    key = fingerprint("trajectories", to_config(s, identity=True))
    if s.resume and (done := process_group.once(lambda: _finished(workspace, key, s))):
        return done
    texts = pool_texts(dataset, s.model, s.template)
    model, tokenizer = loading.load(s.model, seed=s.seed, texts=texts)
    template = choose(s.template, tokenizer, scratch=loading.is_scratch(s.model))
    began = time.monotonic()
    tokens = process_group.first(lambda: tokenize(workspace, dataset, tokenizer, template))
    tokenizing = time.monotonic() - began  # next to nothing when the cache had them
    loading.check_vocabulary(model, tokens.highest())
    tokens = tokens.cut(window(s.max_length, tokens.full_lengths(), model))
    rows, flags = pool_rows(dataset, tokens, s.limit, s.seed)
    if not len(rows):
        raise ValueError(
            f"no row of {dataset.name} has a response token left within {tokens.max_length} tokens;"
            " raise --max-length"
        )
    batch_size = int(s.batch_size)
    steps = steps_for(len(rows), float(s.epochs), batch_size)
    per_epoch = -(-len(rows) // batch_size)
    if s.record == "epoch" and steps < per_epoch:
        raise ValueError("--record epoch needs at least one whole epoch; raise --epochs")
    if s.record == "epoch" and process_group.world() > 1:
        raise ValueError("--record epoch works in one process only; leave --processes away")
    recipe = Recipe(
        steps=steps, batch_size=batch_size, lr=float(s.lr), seed=s.seed, precision=s.precision
    )
    draft: Draft | None = None

    def begin() -> tuple[str, Estimate]:
        """Say how long it takes and open the run, on the one process that writes."""
        nonlocal draft
        draft = workspace.unfinished("trajectories", key, s.name) if s.resume else None
        estimate = foresee(
            model, tokens, rows, recipe,
            checkpoints=0 if s.record == "epoch" else s.checkpoints,
            epochs=float(s.epochs),
            accept_long=s.accept_long or draft is not None,  # one begun before may be long
            keep=s.keep_checkpoints,
        )  # fmt: skip
        if draft is None:
            check_disk(workspace, estimate.disk)
            draft = workspace.draft(
                "trajectories",
                name=s.name or f"{dataset.name} · {s.model}",
                config={**to_config(s), "max_length": tokens.max_length, "template": template},
                parents={"dataset": dataset.id},
                fingerprint=key,
            )
        proxy_warnings.note_start(draft, tokens, rows, flags, steps=steps, seconds=tokenizing)
        return str(draft.path), estimate

    path, estimate = process_group.once(begin)
    folder = pathlib.Path(path)
    recorder: TrajectoryRecorder | EpochRecorder = (
        EpochRecorder(len(tokens), folder, per_epoch, steps // per_epoch)
        if s.record == "epoch"
        else TrajectoryRecorder(
            tokens, folder, s.checkpoints, rows, s.schedule, s.precision, s.keep_checkpoints
        )
    )
    drawer = Drawer(workspace) if s.map and process_group.main() else None
    try:
        trained = fit(
            model, tokens, rows, recipe, folder, stage="train proxy", recorder=recorder,
            expected=(estimate.low + estimate.high) / 2,
        )  # fmt: skip
    except BaseException:
        if drawer:
            drawer.close()
        raise

    def seal() -> str:
        assert draft is not None
        model.save_pretrained(folder / "proxy")
        tokenizer.save_pretrained(folder / "proxy")
        facts = {
            "steps": steps,
            "parameters": loading.size(model),
            "positions": loading.positions(model),
            "tokenize_seconds": (read_json(folder / proxy_warnings.START) or {})[
                "tokenize_seconds"
            ],
            "train_seconds": round(trained, 1),
            "estimated_seconds": [round(estimate.low, 1), round(estimate.high, 1)],
        }
        return finish(draft, rows, flags, facts).id

    id = process_group.once(seal)
    if drawer:
        drawer.draw(id)
    return id


def _finished(workspace: Workspace, key: str, s: Settings) -> str:
    """Return the id of what a run made before it was killed, with its map; "" if there is none."""
    from core import layout

    found = workspace.finished("trajectories", key, s.name)
    if found is None:
        return ""
    say(f"{found.id} was finished before")
    if s.map and not layout.find(workspace, layout.Settings(trajectories=found.id)):
        Drawer(workspace).draw(found.id)
    return found.id
