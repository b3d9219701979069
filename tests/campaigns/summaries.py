"""Every key of every manifest's summary is taken out, or is of another type, under a right hash.

`python -m tests.campaigns.summaries [MINUTES] [SEED]`: what was there since the first version, or has the
wrong type, is damage that is said by name; what came later may be missing. Every page that names the
artifact, and the overview, open either way. The last line is JSON: tried, pages opened, and what was wrong.
"""

import collections
import os
import pathlib
import random
import sys
import time
import typing

from benchmarks.page_rerun import PAGES, pipeline, visit
from core.workspace import files, manifest, shape
from core.workspace.store import Workspace
from tests.campaigns.command import main

ODD = (None, "\x00x", [], {}, [None], {"a": []}, 10**30, -1, 1.5, True, "a" * 5000)
NAMED = {
    "dataset": ("dataset", "trajectories"),
    "trajectories": ("trajectories", "clusters"),
    "layout": ("clusters",),
    "clusters": ("clusters", "selection"),
    "selection": ("selection", "finetune"),
    "finetune": ("finetune",),
    "study": ("study", "finetune"),
}
"""Kind -> the pages that read its summary."""


def cases(workspace, originals, rng):
    """Yield kind, key, the summary without it or with an odd value, and whether that is damage."""
    every = []
    for kind, made in originals.items():
        declared, summary = shape._declared(kind), dict(made.summary)
        hints = shape._hints(declared)
        for key in sorted({*hints, *summary}):
            if key in summary:
                rest = {k: v for k, v in summary.items() if k != key}
                every.append((kind, key, rest, key in shape._required(declared)))
            value = rng.choice(ODD)
            wrong = key in hints and not shape.is_of(value, hints[key])
            every.append((kind, key, {**summary, key: value}, wrong))
        bare = {k: v for k, v in summary.items() if k in shape._required(declared)}
        every.append((kind, "all that came later", bare, False))
    rng.shuffle(every)
    return every


def campaign(minutes: float, seed: int = 0, *, folder: pathlib.Path) -> dict:
    """Try all, or so long; return what was seen."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    end, rng = time.monotonic() + 60 * minutes, random.Random(seed)
    workspace = Workspace(folder / "w")
    originals = pipeline(workspace, folder)
    found: dict[str, typing.Any] = {"there are": 0, "tried": collections.Counter(), "pages": 0}
    found["wrong"] = []
    every = cases(workspace, originals, rng)
    found["there are"] = len(every)
    shown = {kind: {kind: made.id} for kind, made in originals.items()}
    for kind, key, summary, damage in every:
        if time.monotonic() > end:
            break
        file = originals[kind].path / manifest.NAME
        before = file.read_bytes()
        facts = {k: v for k, v in originals[kind].manifest.items() if k != "self_sha256"}
        try:
            files.write_json(file, manifest.signed({**facts, "summary": summary}))
            entry = next(e for e in workspace.entries(kind) if e.id == originals[kind].id)
            shares = kind == "finetune" and entry.problem  # a metric, or a count that one needs
            if (entry.state == "damaged") != damage and not (shares and not damage):
                found["wrong"].append([kind, key, entry.state, entry.problem[:200]])
            for page in {"overview", rng.choice(NAMED[kind])}:
                try:
                    at = visit(page, workspace, shown.get(PAGES[page], {}))
                except Exception as e:
                    found["wrong"].append([kind, key, page, repr(e)[:300]])
                    continue
                found["pages"] += 1
                if at.exception:
                    value = repr(summary.get(key, "taken out"))[:40]
                    said = (at.exception[0].value, at.exception[0].stack_trace[-3:])
                    found["wrong"].append([kind, key, value, page, str(said)[:600]])
                    sys.stderr.write(f"{found['wrong'][-1]}\n")
        finally:
            file.write_bytes(before)
        found["tried"][kind] += 1
    return found


if __name__ == "__main__":
    sys.exit(main(campaign, 5))
