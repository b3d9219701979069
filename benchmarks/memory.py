"""Memory of a whole recording run against the number of rows: nothing a row may stay in Python.

Imports a dataset of short generated rows, then runs `trajectories` on it for real: the scratch
tokenizer is trained on all texts, all rows are tokenized to disk, the proxy (scratch:tiny) is
trained for as many steps as there are recordings, each recording writes its column, the artifact is
sealed. Stubbed: the forward passes of the recordings, which would take hours; random losses and
zero embeddings of the true shapes take their place. `--real K` computes the last K for real.

"Above the model" is the process's highest resident memory less what it had before the run, with all
libraries loaded. Pages of memory-mapped files count, though the system can take them back.

Run: python benchmarks/memory.py [--rows 1000000] [--checkpoints 24] [--real 0]
The last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import pathlib
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
from transformers import LlamaForCausalLM, Trainer  # noqa: F401  loaded before the run begins

from core import trajectories
from core.model import loading, scoring
from core.model.scoring import Scores, score
from core.trajectories import artifact
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

ROOT = pathlib.Path(__file__).resolve().parents[1]


def made_up(rows: int) -> Iterator[dict[str, str]]:
    """Yield short rows of three kinds, none twice."""
    rng = random.Random(0)
    for i in range(rows):
        a, b = rng.randint(0, 999), rng.randint(0, 999)
        question, answer = (
            (f"{i}. What is {a} + {b}?", f"{a + b}"),
            (f"{i}. Which is larger, {a} or {b}?", f"{max(a, b)}"),
            (f"{i}. Write {a} twice.", f"{a} {a}"),
        )[i % 3]
        yield {"source": f"kind {i % 3}", "prompt": question, "response": answer}


def write(workspace: Workspace, rows: int) -> Artifact:
    """Import a dataset of this many rows, in a process whose memory is not counted."""
    file = workspace.root / "made-up.jsonl"
    with file.open("w") as out:
        out.writelines(f"{json.dumps(row)}\n" for row in made_up(rows))
    command = [sys.executable, "-m", "core", "dataset", "--path", str(file), "--holdout", "0"]
    subprocess.run([*command, "--workspace", str(workspace.root)], cwd=ROOT, check=True)
    return workspace.open(workspace.entries("dataset")[0].id)


def stub(checkpoints: int, real: int) -> Any:
    """Return a stand-in for `score` that computes only the last `real` recordings."""
    rng = np.random.default_rng(0)
    done = 0

    def scored(model: Any, tokens: Any, rows: Any, *, pool: bool = False, **more: Any) -> Scores:
        nonlocal done
        done += 1
        if done > checkpoints - real:
            return score(model, tokens, rows, pool=pool, **more)
        width = model.config.hidden_size if pool else 0
        losses = rng.random(len(rows), np.float32)
        return Scores(losses, np.zeros((len(rows), width), np.float16))

    return scored


def peak() -> float:
    """Return the highest resident memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def main() -> None:
    """Run once and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--checkpoints", type=int, default=24)
    parser.add_argument("--real", type=int, default=0, help="recordings computed for real")
    args = parser.parse_args()
    scoring.score = stub(args.checkpoints, args.real)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder)
        data = write(workspace, args.rows)
        before, began = peak(), time.monotonic()
        settings = trajectories.Settings(
            dataset=data.id,
            model="scratch:tiny",
            batch_size=32,
            checkpoints=args.checkpoints,
            epochs=32 * (args.checkpoints - 1) / args.rows,
            map=False,
            accept_long=True,
        )
        made = workspace.open(trajectories.run(workspace, settings))
        seconds = time.monotonic() - began
        losses = artifact.load_losses(made)
        assert losses.shape == (args.rows, args.checkpoints)
        above = peak() - before
    result = {
        "date": f"{dt.date.today()}",  # noqa: DTZ011
        "machine": platform.machine(),
        "rows": args.rows,
        "checkpoints": args.checkpoints,
        "forward": f"stubbed in {args.checkpoints - args.real} of {args.checkpoints} recordings",
        "model_parameters": loading.KNOWN_SIZES["scratch:tiny"],
        "gb_before": round(before / 1e9, 3),
        "peak_gb_above_model": round(above / 1e9, 3),
        "bytes_a_row": round(above / args.rows),
        "seconds": round(seconds, 1),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
