"""Seconds and memory of imports, beside what `datasets.load_dataset` takes to read the same file.

Writes JSON lines in the shape of MathInstruct (source, output, instruction; 33 words of a question
and 100 of an answer): 262,040 unlike rows, as many of which sixteen each are near copies, and a
million unlike rows. Each import runs in a process of its own. Wall time depends on what else the
machine does, so processor seconds stand beside it. Memory is the highest resident size of the
process, libraries included. `datasets` reads into an empty cache; it does nothing but read.

Run: python benchmarks/importing.py [--rows 262040] [--many 1000000] [--folder FOLDER]
Or:  python benchmarks/importing.py --preview FILE [FILE ...]
The last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

NEAR_COPIES = 16
QUESTION, ANSWER = 33, 100
"""Mean words."""
SOURCES = 14
PART = 20_000

IMPORT = """
import resource, sys, time
start = time.time()
from core import dataset
from core.workspace.store import Workspace
made = dataset.run(Workspace(sys.argv[2]), dataset.Settings(path=sys.argv[1]))
used = resource.getrusage(resource.RUSAGE_SELF)
print(time.time() - start, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
READ = """
import resource, sys, time
start = time.time()
import datasets
datasets.disable_progress_bars()
datasets.load_dataset("json", data_files=sys.argv[1], cache_dir=sys.argv[2], split="train")
used = resource.getrusage(resource.RUSAGE_SELF)
print(time.time() - start, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
PREVIEW = """
import sys, time
from core.dataset import Settings
from core.dataset.preview import preview
start = time.perf_counter()
seen = preview(sys.argv[1], Settings(path=sys.argv[1]))
print(f"{seen.n_usable} rows understood in {time.perf_counter() - start:.2f} s")
"""


def write(path: pathlib.Path, n: int, copies: int) -> None:
    """Write n rows, of which `copies` each differ in two words of the answer and one number."""
    rng = np.random.default_rng(0)
    words = [f"{'bcdfghjklm'[i % 10]}{'aeiou'[i % 5]}{i:x}" for i in range(12_000)]
    weights = 1 / np.arange(10, len(words) + 10)
    cumulative = np.cumsum(weights / weights.sum())
    with path.open("w", encoding="utf-8") as f:
        for start in range(0, n, PART):
            rows = min(PART, n - start)
            bases = -(-rows // copies)
            sizes = np.stack([rng.poisson(QUESTION, bases), rng.poisson(ANSWER, bases)], 1) + 8
            drawn = np.searchsorted(cumulative, rng.random(int(sizes.sum()))).tolist()
            at = 0
            for base in range(bases):
                own = [words[i] for i in drawn[at : at + int(sizes[base].sum())]]
                at += len(own)
                for copy in range(min(copies, rows - base * copies)):
                    text = list(own)
                    if copy:
                        text[-1 - copy % 3], text[-9] = f"w{copy}", f"v{copy}"
                    question = " ".join(text[: sizes[base][0]])
                    row = {
                        "source": f"data/set_{(start + base) % SOURCES}.json",
                        "output": " ".join(text[sizes[base][0] :]) + f". The answer is {copy}.",
                        "instruction": f"{question}, what is {base + start}?",
                    }
                    f.write(json.dumps(row) + "\n")


def measure(code: str, path: pathlib.Path) -> dict[str, float]:
    """Run code in a process of its own; return wall and processor seconds, and GB at most."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), folder],
            check=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
    seconds, processor, kilobytes = map(float, done.stdout.splitlines()[-1].split())
    return {"seconds": seconds, "cpu": processor, "rss_gb": kilobytes * 1024 / 1e9}


def preview(path: pathlib.Path) -> float:
    """Return the seconds that the first 50 rows of a file take."""
    from core.dataset.readers import head

    start = time.perf_counter()
    assert len(head(path, 50).places) == 50
    return time.perf_counter() - start


def main() -> None:
    """Write the files, import each, print a line for each and the last as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=262_040)
    parser.add_argument("--many", type=int, default=1_000_000, help="0: leave it away")
    parser.add_argument("--folder", type=pathlib.Path, default=None, help="for the files; kept")
    parser.add_argument("--preview", nargs="+", help="only show the first rows of these files")
    args = parser.parse_args()
    if args.preview:
        for path in args.preview:
            done = subprocess.run(
                [sys.executable, "-c", PREVIEW, path],
                check=True, capture_output=True, text=True, cwd=ROOT,
            )  # fmt: skip
            print(
                f"{path}: {pathlib.Path(path).stat().st_size / 1e9:.2f} GB, {done.stdout}", end=""
            )
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = {}
        kinds = {"unlike": (args.rows, 1), "copies": (args.rows, NEAR_COPIES)}
        kinds |= {"many": (args.many, 1)} if args.many else {}
        for name, (rows, copies) in kinds.items():
            path = folder / f"{name}_{rows}.jsonl"
            if not path.exists():
                write(path, rows, copies)
            found[name] = measure(IMPORT, path)
            size = path.stat().st_size / 1e6
            print(f"{name}: {rows:,} rows, {size:,.0f} MB: {found[name]}", flush=True)
            if name == "unlike":
                found["datasets"] = measure(READ, path)
                print(f"datasets.load_dataset: {found['datasets']}", flush=True)
                found["preview"] = {"seconds": preview(path)}
    many = found.get("many", {})
    line = {
        "seconds_262k": found["unlike"]["seconds"],
        "cpu_seconds_262k": found["unlike"]["cpu"],
        "rss_gb_262k": found["unlike"]["rss_gb"],
        "seconds_copies": found["copies"]["seconds"],
        "cpu_seconds_copies": found["copies"]["cpu"],
        "rss_gb_copies": found["copies"]["rss_gb"],
        "seconds_1m": many.get("seconds"),
        "cpu_seconds_1m": many.get("cpu"),
        "rss_gb_1m": many.get("rss_gb"),
        "ratio_to_datasets": found["unlike"]["seconds"] / found["datasets"]["seconds"],
        "seconds_preview": found["preview"]["seconds"],
    }
    print(json.dumps({k: round(v, 3) if v is not None else None for k, v in line.items()}))


if __name__ == "__main__":
    main()
