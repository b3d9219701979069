"""Make a workspace of a million made-up rows, as a finished run would have left it.

Dataset, trajectories, clusters (K = 100) and map, all sealed by the engine; `python -m core verify`
accepts each. Only texts, losses and embeddings are made up (see made_up.py): no proxy was trained,
the one kept has random weights and a tokenizer of these texts. Rows are written a part at a time;
the same settings give the same content.

Run: python benchmarks/make_workspace.py [--rows 1000000] [--checkpoints 24]
         [--texts short|real-length] [--layout yes|no] [--workspace DIR] [--seed 0]
The last line of stdout is one JSON object: the workspace, its ids, seconds, memory.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import pathlib
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import made_up
from benchmarks.made_up import PART, SUBJECTS, WINDOW, Part
from core import clusters, dataset, layout, trajectories
from core.arrays import Float32s, Ints
from core.dataset import holdout
from core.dataset.tables import MESSAGES
from core.jobs.progress import Progress
from core.model import loading, scratch, tokenizers
from core.settings import to_config
from core.trajectories import draw_map
from core.trajectories.recorder import plan, quantiles
from core.trajectories.seal import finish
from core.workspace.artifact import Artifact
from core.workspace.files import append_jsonl, fingerprint, write_json, write_jsonl
from core.workspace.store import Workspace

PROXY = "scratch:tiny"
WIDTH = scratch.SCRATCH["tiny"]["hidden"]
TOKENIZER_ROWS = 5_000
"""Texts that the proxy's tokenizer is trained on."""
LOGGED = 200
"""Lines of the training log."""


def parts(rows: int, texts: str, checkpoints: int, seed: int) -> Iterator[tuple[int, Part]]:
    """Yield each part with its first row."""
    progress = Progress("make rows", rows)
    for start in range(0, rows, PART):
        n = min(PART, rows - start)
        yield start, made_up.part(start // PART, n, texts, checkpoints, WIDTH, seed)
        progress.update(start + n)


class Writer:
    """The files of a dataset, written a part at a time."""

    def __init__(self, folder: pathlib.Path, held: Ints) -> None:
        self.folder, self.held = folder, held
        self.files: dict[str, pq.ParquetWriter] = {}
        self.sources: collections.Counter[str] = collections.Counter()
        self.lengths: dict[str, list[Ints]] = {"prompt": [], "response": []}
        self.digests: list[bytes] = []

    def add(self, start: int, some: Part) -> None:
        """Write the rows from `start` on as the import does."""
        n = len(some.prompts)
        row = np.arange(start, start + n)
        ids = pa.array(made_up.ids(start, start + n))
        source = pa.array(list(SUBJECTS)).take(pa.array(some.subject))
        self._write(
            "examples",
            {
                "row": row,
                "position": row,
                "id": ids,
                "source": source,
                "messages": _messages(some),
                "prompt": some.prompts,
                "response": some.responses,
                "answer": pa.nulls(n, pa.large_string()),
                "split": np.where(np.isin(row, self.held), "holdout", "pool"),
            },
        )
        columns = {"id": ids, "source": source}
        self._write("original", columns | {"instruction": some.prompts, "output": some.responses})
        self.sources.update(source.to_pylist())
        for name, texts in (("prompt", some.prompts), ("response", some.responses)):
            self.lengths[name].append(pc.utf8_length(texts).to_numpy())
        pairs = pc.binary_join_element_wise(
            some.prompts, some.responses, pa.scalar("\n", pa.large_string())
        ).to_pylist()
        self.digests += [hashlib.sha256(text.encode()).digest()[:8] for text in pairs]

    def _write(self, name: str, columns: dict[str, Any]) -> None:
        table = pa.table(columns)
        if name not in self.files:
            path = self.folder / f"{name}.parquet"
            self.files[name] = pq.ParquetWriter(path, table.schema, compression="zstd")
        self.files[name].write_table(table, row_group_size=dataset.ROW_GROUP)

    def close(self) -> dict[str, Any]:
        """Finish the files; return what the summary says of them."""
        for file in self.files.values():
            file.close()
        (self.folder / "set_aside.jsonl").touch()
        rows = sum(self.sources.values())
        return {
            "rows_read": rows,
            "rows": rows,
            "rows_parsed": rows,
            "pool_rows": rows - len(self.held),
            "holdout_rows": len(self.held),
            "holdout_asked": len(self.held),
            "set_aside": {},
            "not_sampled": 0,
            "duplicates": rows - len(set(self.digests)),
            "sources": dict(self.sources.most_common()),
            "n_sources": len(self.sources),
            "length_quantiles": {
                name: dict(
                    zip(
                        ("p50", "p90", "p99", "max"),
                        np.quantile(np.concatenate(some), [0.5, 0.9, 0.99, 1])
                        .round()
                        .astype(int)
                        .tolist(),
                        strict=True,
                    )
                )
                for name, some in self.lengths.items()
            },
            "format": "alpaca",
            "columns": {
                "source": "source",
                "prompt": "instruction",
                "response": "output",
                "id": "id",
            },
            "fingerprint": hashlib.sha256(b"".join(self.digests)).hexdigest(),
            "trainable": True,
            "json_columns": [],
            "source_sha256": "",
        }


def _messages(some: Part) -> pa.Array:
    """Return a user's and an assistant's turn a row."""
    n = len(some.prompts)
    texts = pa.concat_arrays([some.prompts, some.responses])
    turns = texts.take(pa.array(np.arange(2 * n).reshape(2, n).T.ravel()))
    roles = pa.array(["user", "assistant"]).take(pa.array(np.tile([0, 1], n)))
    both = pa.StructArray.from_arrays([roles, turns], names=["role", "content"])
    return pa.ListArray.from_arrays(pa.array(range(0, 2 * n + 1, 2), pa.int32()), both).cast(
        MESSAGES
    )


def make(workspace: Workspace, rows: int, checkpoints: int, texts: str, seed: int) -> Artifact:
    """Seal a dataset and its trajectories; return the trajectories."""
    name = f"made up, {rows:,} rows"
    settings = dataset.Settings(path=f"made_up_{rows}.jsonl", id_column="id", seed=seed, name=name)
    data = workspace.draft("dataset", name=name, config=to_config(settings), parents={})
    s = trajectories.resolve(
        trajectories.Settings(
            dataset=data.id, model=PROXY, checkpoints=checkpoints, seed=seed, map=False
        )
    )
    n_steps = max(checkpoints - 1, round(float(s.epochs) * rows / int(s.batch_size)))
    run = workspace.draft(
        "trajectories",
        name=f"{name} · no training",
        config={**to_config(s), "max_length": WINDOW, "template": "plain"},
        parents={"dataset": data.id},
        fingerprint=fingerprint("made up", rows, checkpoints, texts, seed),
    )
    asked = holdout.size("auto", rows)
    held = np.sort(np.random.default_rng(seed).permutation(rows)[:asked])
    writer = Writer(data.path, held)
    losses = _blank(run.path / "losses.npy", np.float32, rows, checkpoints)
    pooled = _blank(run.path / "pooled.npy", np.float16, rows, WIDTH)
    facts = {n: np.zeros(rows, np.int64) for n in ("subject", "n_tokens", "n_response")}
    for start, some in parts(rows, texts, checkpoints, seed):
        here = slice(start, start + len(some.losses))
        losses[here], pooled[here] = some.losses, some.pooled
        for name, values in facts.items():
            values[here] = getattr(some, name)
        writer.add(start, some)
        if not start:
            _proxy(run.path, some, seed)
    data.seal(writer.close())
    flags = _flags(facts, held)
    left_out = np.flatnonzero(flags["flag"] != "")
    losses[left_out], pooled[left_out] = np.nan, 0
    losses.flush()
    pooled.flush()
    steps = plan(n_steps, checkpoints)
    np.save(run.path / "steps.npy", steps)
    _log(run.path, losses, steps, float(s.lr))
    measured = np.flatnonzero(flags["flag"] == "")
    more = {"steps": n_steps, "parameters": int(loading.KNOWN_SIZES[PROXY]), "made_up": True}
    return finish(run, measured, flags, {**more, "positions": tokenizers.POSITIONS})


def _blank(path: pathlib.Path, kind: type, rows: int, width: int) -> Any:
    return np.lib.format.open_memmap(path, "w+", kind, (rows, width))


def _flags(facts: dict[str, Ints], held: Ints) -> pd.DataFrame:
    """Return the flags as `recorded.pool_rows` does."""
    rows = len(facts["subject"])
    flags = pd.DataFrame(
        {"id": made_up.ids(0, rows), "source": np.array(list(SUBJECTS))[facts["subject"]]}
    )
    flags["n_tokens"], flags["n_response"] = facts["n_tokens"], facts["n_response"]
    flags["truncated"] = flags["n_tokens"] > WINDOW
    flags["flag"] = np.where(flags["n_response"] > 0, "", "no response token")
    flags.loc[held, "flag"] = "holdout"
    return flags


def _log(folder: pathlib.Path, losses: Float32s, steps: Ints, lr: float) -> None:
    """Write the logs of the recordings and of the training that did not happen."""
    means = np.nanmean(losses, axis=0)
    for i, step in enumerate(steps.tolist()):
        column = np.ascontiguousarray(losses[:, i])
        digest = hashlib.sha256(column[np.isfinite(column)].tobytes()).hexdigest()
        record = {"column": i, "step": step, "sha256": digest, "seconds": 0.0}
        append_jsonl(folder / "columns.jsonl", record | {"quantiles": quantiles(column)})
    at = np.unique(np.linspace(1, steps[-1], LOGGED).astype(np.int64))
    write_jsonl(
        folder / "metrics.jsonl",
        (
            {"step": int(step), "loss": float(loss), "lr": lr}
            for step, loss in zip(at, np.interp(at, steps, means), strict=True)
        ),
    )
    write_json(folder / "plan.json", {"steps": steps.tolist()})


def _proxy(folder: pathlib.Path, some: Part, seed: int) -> None:
    texts = [
        f"{prompt}\n{response}"
        for prompt, response in zip(
            some.prompts[:TOKENIZER_ROWS].to_pylist(),
            some.responses[:TOKENIZER_ROWS].to_pylist(),
            strict=True,
        )
    ]
    model, tokenizer = loading.load(PROXY, seed=seed, texts=texts)
    model.save_pretrained(folder / "proxy")
    tokenizer.save_pretrained(folder / "proxy")


def main() -> None:
    """Make one workspace and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--checkpoints", type=int, default=24)
    parser.add_argument("--texts", choices=tuple(made_up.SIZES), default="short")
    parser.add_argument("--layout", choices=("yes", "no"), default="yes")
    parser.add_argument("--workspace", help="an empty directory; a temporary one when left away")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    workspace = Workspace(args.workspace or tempfile.mkdtemp(prefix="made-up-"))
    began = time.monotonic()
    made = make(workspace, args.rows, args.checkpoints, args.texts, args.seed)
    grouped = clusters.seal(workspace, made, clusters.Settings(trajectories=made.id, map=False))
    ids = {"dataset": made.parents["dataset"], "trajectories": made.id, "clusters": grouped.id}
    if args.layout == "yes":
        draw_map.draw(draw_map.warm_up(workspace), made.id)
        found = layout.find(workspace, layout.Settings(trajectories=made.id))
        assert found is not None, "the map's process said why"
        ids["layout"] = found.id
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    result = {
        "workspace": str(workspace.root),
        **ids,
        "rows": args.rows,
        "checkpoints": args.checkpoints,
        "texts": args.texts,
        "seconds": round(time.monotonic() - began, 1),
        "peak_gb": round(peak / 1e9, 2),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
