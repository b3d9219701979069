"""Which small model can speak for a target? Cut from the target, from scratch, or the target again.

On a random sample of mathmix rows the target (a full model) is trained briefly and every row's loss
recorded; each proxy then does the same on the same rows with its default recipe. Compared are the
final losses by rank (Spearman) and the k-means clusters of the trajectories (adjusted Rand index).
The full model with another seed of the data order is the ceiling; the target's k-means with other
seeds is another. With --bf16 all of it runs with `--precision bf16`.

A proxy is named as on the command line, with {target} for the target's directory, and with a
learning rate after a comma where it is not the default: shrink:{target}:4:trim,1e-3.

Run: python benchmarks/proxies.py --data mathmix_train.jsonl --target SMOLLM2_DIR
The table goes to stderr; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import pathlib
import platform
import sys
import tempfile
from typing import Any, NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import numpy as np
import torch

from core import dataset, trajectories
from core.settings import identity
from core.trajectories import artifact
from core.transfer.agreement import clusterings, rank_correlations
from core.workspace.files import fingerprint
from core.workspace.store import Workspace

PROXIES = (
    "scratch:tiny",
    "scratch:small",
    "shrink:{target}:4",
    "shrink:{target}:4:trim",
    "shrink:{target}:4:trim,1e-3",
    "shrink:{target}:8",
    "shrink:{target}:8:trim",
    "shrink:{target}:8:trim,1e-3",
    "{target}",
)


HEAD = "| proxy | parameters | Spearman | ARI | final loss | seconds |\n|---|---|---|---|---|---|"


class Trained(NamedTuple):
    """What one training leaves."""

    losses: np.ndarray[Any, Any]
    """(n_rows, n_checkpoints), nats per response token."""
    summary: dict[str, Any]
    seconds: float
    lengths: np.ndarray[Any, Any]
    """Response tokens (n_rows,)."""


def say(text: str) -> None:
    """Write a line of the table."""
    sys.stderr.write(text + "\n")


def train(workspace: Workspace, **how: Any) -> Trained:
    """Train and record as `python -m core trajectories` does, unless this was done before."""
    settings = trajectories.Settings(map=False, accept_long=True, **how)
    key = fingerprint("trajectories", identity(trajectories.resolve(settings)))
    made = workspace.same("trajectories", key)
    if made is None:
        made = workspace.open(trajectories.run(workspace, settings))
    lengths = artifact.load_flags(made)["n_response"].to_numpy()
    losses = artifact.load_losses(made)
    return Trained(losses, dict(made.summary), made.manifest["seconds"], lengths)


def compare(proxy: Trained, target: Trained, ids: np.ndarray[Any, Any], k: int) -> dict[str, Any]:
    """Compare on the rows that both could measure."""
    both = np.isfinite(proxy.losses).all(1) & np.isfinite(target.losses).all(1)
    one, two = proxy.losses[both], target.losses[both]
    found = clusterings(one, two, ids[both], k, seed=0)
    return {
        "rows": int(both.sum()),
        "spearman": rank_correlations(one[:, -1:], two[:, -1:], seed=0)[0],
        "ari": found.ari,
        "ceiling": found.target_ceiling,
        "chance": found.chance,
        "parameters": proxy.summary["parameters"],
        "steps": proxy.summary["steps"],
        "final_loss": proxy.summary["final_loss"],
        "seconds": round(proxy.seconds),
    }


def line(name: str, found: list[dict[str, Any]]) -> str:
    """Write a table's line; over several seeds the mean and the range."""

    def over(key: str) -> str:
        values = [f[key].value for f in found]
        if len(values) == 1:
            return str(found[0][key])
        return f"{np.mean(values):.2f} [{min(values):.2f} to {max(values):.2f}]"

    first = found[0]
    losses = ", ".join(f"{f['final_loss']:.2f}" for f in found)
    return (
        f"| {name} | {first['parameters'] / 1e6:.1f}M | {over('spearman')} | {over('ari')} | "
        f"{losses} | {np.mean([f['seconds'] for f in found]):.0f} |"
    )


def main() -> None:
    """Train the target, then every proxy."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="a JSONL that `core dataset` reads")
    parser.add_argument("--target", required=True, help="a model directory")
    parser.add_argument("--proxies", default=" ".join(PROXIES), help="separated by spaces")
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--epochs", type=float, default=1, help="of the target")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--checkpoints", type=int, default=5)
    parser.add_argument("--max-length", type=int, default=192)
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=1, help="of every proxy but the target")
    parser.add_argument("--bf16", action="store_true", help="half the time on a CPU with AMX")
    parser.add_argument("--workspace", help="keep what was trained here and use it again")
    args = parser.parse_args()
    places = ("data", "target", "workspace")
    result: dict[str, Any] = {
        "date": f"{dt.date.today()}",  # noqa: DTZ011
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "settings": {k: v for k, v in vars(args).items() if k not in places},
        "proxies": {},
    }
    lines = pathlib.Path(args.data).read_text(encoding="utf-8").splitlines()
    drawn = np.sort(np.random.default_rng(0).permutation(len(lines))[: args.rows])
    with contextlib.ExitStack() as stack:
        folder = args.workspace or stack.enter_context(tempfile.TemporaryDirectory())
        workspace = Workspace(folder)
        file = workspace.root / "sample.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines[i] for i in drawn), encoding="utf-8")
        data = workspace.open(dataset.load_any(workspace, str(file)))
        ids = dataset.examples(data, ["id"])["id"].to_numpy()
        same = {
            "dataset": data.id,
            "checkpoints": args.checkpoints,
            "max_length": args.max_length,
            "batch_size": args.batch_size,
            "precision": "bf16" if args.bf16 else "fp32",
        }
        target = train(workspace, model=args.target, epochs=args.epochs, **same)
        say(HEAD)
        say(
            f"| target | {target.summary['parameters'] / 1e6:.1f}M | | | "
            f"{target.summary['final_loss']:.2f} | {target.seconds:.0f} |"
        )
        both = np.isfinite(target.losses).all(1)
        final = target.losses[both, -1:]
        result["by_length"] = rank_correlations(target.lengths[both, None], final, seed=0)[0]
        say(f"| response length alone | | {result['by_length']} | | | |")
        for name in args.proxies.split():
            model, _, lr = name.replace("{target}", args.target).partition(",")
            again = model == args.target
            recipe: dict[str, Any] = {"epochs": args.epochs} if again else {}
            recipe |= {"lr": float(lr)} if lr else {}
            found = [
                compare(
                    train(workspace, model=model, seed=seed, **recipe, **same), target, ids, args.k
                )
                for seed in ([1] if again else range(args.seeds))
            ]
            result["proxies"][name] = found
            say(line(name.replace("{target}", "target"), found))
        result["target"] = {"seconds": target.seconds, **target.summary}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
