"""The process that tries a fine-tune: loads the target, makes real steps, answers items, exits.

`python -m core.finetune.fit_child FOLDER` reads order.json there and leaves stage.json on the way
and measured.json at the end. It ends when whoever started it ends, when its time is over, and
before it takes more of the host's memory than there was: it may never take others down with it.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import pathlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import psutil

from core.errors import InputError
from core.evaluations.load import load_all
from core.finetune import outcome, saved
from core.finetune.disk import copies, kept, sizes
from core.finetune.evaluate import check_answers
from core.finetune.held_out import HeldOut, held_out
from core.finetune.others import Others
from core.finetune.prepare import Read, model_of, read, recipe_of, test_set
from core.finetune.seen import Seen, seen
from core.finetune.settings import LOOK_PROMPTS, LOOK_TOKENS, Settings, looks_every, resolve
from core.jobs.children import leave
from core.model import adapters, loading
from core.settings import from_config
from core.training import fit_budget, fit_memory
from core.workspace.artifact import Artifact
from core.workspace.files import read_json, write_json
from core.workspace.store import Workspace

ORDER, STAGE, MEASURED = "order.json", "stage.json", "measured.json"
EXIT_MEMORY, EXIT_TIME, EXIT_ORPHAN = 71, 72, 73


def main(folder: pathlib.Path) -> None:
    """Carry out the order and write what was measured, or in one sentence why it cannot be."""
    order = read_json(folder / ORDER) or {}
    limit = fit_memory.room()
    threading.Thread(target=_watch, args=(folder, order, limit.host), daemon=True).start()
    threading.Thread(target=_until_alone, daemon=True).start()
    with contextlib.suppress(OSError):  # where memory runs out all the same, this one goes first
        pathlib.Path("/proc/self/oom_score_adj").write_text("1000")
    try:
        measured = measure(folder, order)
    except InputError as e:
        short = e.failure in ("device-memory", "host-memory")
        measured = {"fits": False} if short else {"error": str(e)}
        measured |= {"problem": str(e)}
    except (MemoryError, RuntimeError) as e:
        if not isinstance(e, MemoryError) and "memory" not in str(e).lower():
            raise
        measured = {"fits": False, "problem": f"memory ran out: {str(e)[:200]}"}
    measured = {"room": fit_memory.room()._asdict(), "device": loading.device(), **measured}
    write_json(folder / MEASURED, measured)


def _watch(folder: pathlib.Path, order: dict[str, Any], limit: float) -> None:
    """End this process when its time is over or the host's memory it may take is."""
    me, until = psutil.Process(), time.monotonic() + float(order.get("seconds", 600.0))
    while True:
        if time.monotonic() > until:
            os._exit(EXIT_TIME)
        if (held := me.memory_info().rss) > limit:
            problem = (
                f"it came to {fit_memory.gib(held)} of this machine's memory, of which "
                f"{fit_memory.gib(limit)} may be taken"
            )
            write_json(folder / MEASURED, {"fits": False, "problem": problem})
            os._exit(EXIT_MEMORY)
        time.sleep(0.05)


def _until_alone() -> None:
    """End this process when stdin does: its other end is held by whoever started this."""
    with contextlib.suppress(OSError):
        while os.read(0, 1024):  # not through sys.stdin, whose lock this thread would die with
            pass
    os._exit(EXIT_ORPHAN)


def measure(folder: pathlib.Path, order: dict[str, Any]) -> dict[str, Any]:
    """Return what a fine-tune takes: seconds of its parts, peaks of memory, bytes it writes.

    With `only_fit`, only whether it fits.

    Raises:
        InputError: it cannot be done, whatever the memory; or (by its `failure`) it does not fit.
    """
    from core.finetune import fit_disk, fit_evaluation, fit_trial

    s = resolve(from_config(Settings, order["settings"]))
    workspace = Workspace(order["workspace"])
    selection = workspace.open(s.selection, "selection")
    _stage(folder, "reading the model's shape")
    lower = least(s)
    if lower > fit_budget.allowed():
        problem = (
            f"weights, gradients and optimizer alone take {fit_memory.gib(lower)}, and "
            f"{fit_memory.gib(fit_budget.allowed())} may be taken"
        )
        return {"fits": False, "problem": problem, "least": lower}
    _stage(folder, "loading the model")
    others = Others()
    began = time.monotonic()
    dataset = selection.ancestor("dataset")
    model, tokenizer = model_of(s, dataset)
    loading_took = time.monotonic() - began
    rows = read(workspace, s, selection, tokenizer, loading.positions(model))
    loading.check_vocabulary(model, rows.tokens.highest())
    rows.check()
    if s.method != "full":
        model = adapters.with_adapter(model, s.seed, **s.adapter())
    loading.place(model)
    clock = {"start": max(0.0, time.time() - psutil.Process().create_time())}
    longest = int(rows.tokens.lengths()[rows.rows].max())
    say = functools.partial(_stage, folder, longest=longest)
    recipe = recipe_of(s, len(rows.rows))
    say("reading the test")
    every = looks_every(recipe.steps, s.eval_every, needed=s.patience > 0 or s.keep == "best")
    with _timed(clock, "tests"):
        beside = _beside(workspace, s, dataset, tokenizer, rows, every)
    with _timed(clock, "before"):
        outcome.Before.of(model, rows.tokens, rows.rows)
    # what was saved is loaded again, and some rows are scored before and after
    clock["check"] = loading_took + 2 * saved.ROWS / outcome.LOOKED_AT * clock["before"]
    only_fit = bool(order.get("only_fit"))
    patience = float(order.get("train_seconds", 40.0))
    trained, clock["trainer"], clock["first_step"] = fit_trial.training(
        say, model, rows, recipe, patience, only_fit=only_fit
    )
    known = {"longest": longest, "parameters": loading.size(model)}
    sized = {**known, "left_out": rows.left_out_sentences()}
    out = {"fits": True, **trained, **sized, **sizes(model, s.method)._asdict()}
    if only_fit:
        return out
    say("trying the test")
    tested = fit_evaluation.testing(workspace, model, tokenizer, rows, beside.tests, s)
    say("trying to save")
    save = fit_disk.saving(folder, model, int(out["bytes_saved"]))
    looked = {
        "times": 1 + math.ceil(recipe.steps / every) if every else 0,
        "rows": s.eval_rows,
        "answers": LOOK_PROMPTS,
        "new": LOOK_TOKENS,
        "kept": kept(s, recipe.steps),
        "copies": copies(s, recipe.steps),
    }
    slowed = others.slowed() if loading.device() == "cpu" else 0.0
    measured = {"clock": clock, "test": tested, "looks": looked, "save": save, "slowed": slowed}
    peak = fit_memory.larger(fit_memory.Memory(**out["peak"]), fit_memory.peak())
    peak = fit_memory.larger(peak, fit_evaluation.answers_held(model, tested["sets"]))
    return {**out, **measured, "peak": peak._asdict()}


def _stage(folder: pathlib.Path, words: str, **facts: int) -> None:
    write_json(folder / STAGE, {"stage": words, **facts})


class _Beside(NamedTuple):
    """What a run holds beside the model while it trains; a try does, for the memory it takes."""

    tests: list[tuple[Artifact, str, int]]
    """Datasets, which of their rows, and how often a run goes through them."""
    seen: list[Seen]
    looked_at: HeldOut | None


def _beside(
    workspace: Workspace, s: Settings, dataset: Artifact, tokenizer: Any, rows: Read, every: int
) -> _Beside:
    """Read the tests, look for their rows among those trained on, and read what is looked at.

    Args:
        every: Steps between two looks; 0 never.
    """
    test = test_set(workspace, dataset, s.eval)
    tests = [(*test, 1)]
    tests += [  # the regression suite is answered before the training, too
        (one.dataset, "all", 2 if one.key == "regression" else 1)
        for one in load_all(workspace, s.tests)
    ]
    for one, of, _ in tests:
        check_answers(one, of)
    found = [seen(dataset, rows.rows, one, of) for one, of, _ in tests]
    tokens = (tokenizer, rows.template, rows.tokens.max_length)
    looked_at = held_out(workspace, test, dataset, *tokens) if every else None
    return _Beside(tests, found, looked_at)


@contextlib.contextmanager
def _timed(clock: dict[str, float], name: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    clock[name] = time.monotonic() - began


def least(s: Settings) -> float:
    """Return the bytes that a model's weights, gradients and optimizer take, read off its shape.

    0 where the shape cannot be read: loading it will say why.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from core.model.tokenizers import source

    if loading.is_scratch(s.model) or s.model.startswith("shrink:"):
        return 0.0
    where, how = source(s.model)
    try:
        config = AutoConfig.from_pretrained(where, trust_remote_code=False, **how)
        with torch.device("meta"):
            shape = AutoModelForCausalLM.from_config(config)
    except Exception:  # a dozen types, as loading has them
        return 0.0
    frozen = {"full": fit_budget.BYTES_A_WEIGHT, "lora": 4, "qlora": 0.55}[s.method]
    if s.method == "lora" and loading.device() == "cuda" and loading.in_bf16(s.precision, "cuda"):
        frozen = 2
    return float(loading.size(shape)) * frozen


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
    leave(0)
