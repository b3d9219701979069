"""Does selecting by trajectories work, and when? One experiment, by the product's own engine.

What each asks, expects and calls a pass stands in benchmarks/experiments/settings.py, which is
committed before the experiment runs; its commit is kept with the result.

Run: python benchmarks/evidence.py NAME [--work FOLDER] [--data FOLDER] [--pilot]

Names: those of PLANS, `pilot` (or --pilot), or `all` in the order of PLANS. What was made before in
the work folder is used again, and a run that was stopped goes on there. Writes
docs/evidence/NAME.json; the last line of stdout is one JSON object without the single runs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # models this small run slower on more threads
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from benchmarks.experiments import coverage, pilot, purity, scores, settings, theorem
from benchmarks.experiments.runs import Lab
from benchmarks.experiments.settings import PLANS, REGIME

ROOT = pathlib.Path(__file__).resolve().parents[1]
SETTINGS = "benchmarks/experiments/settings.py"
RUNS = {
    "robustness": coverage.robustness,
    "redundancy": coverage.redundancy,
    "noise": scores.noise,
    "mixture": scores.mixture,
    "draws": scores.draws,
    "noninferior": scores.noninferior,
    "theorem": theorem.run,
}


def run(name: str, lab: Lab, data: pathlib.Path) -> dict[str, Any]:
    """Run an experiment; return what is written down of it."""
    cpu, began = time.process_time(), time.monotonic()
    about: dict[str, Any] = {"experiment": name}
    if name == "pilot":
        result = pilot.run(lab)
    else:
        plan = PLANS[name]
        about |= {"settings_commit": commit(), "regime": REGIME._asdict(), "plan": plan.as_dict()}
        result = (
            purity.run(lab, plan, {n: data / file for n, file in settings.TOPICS.items()})
            if name == "purity"
            else RUNS[name](lab, plan)
        )
    return about | {
        "result": result,
        "cpu_seconds": round(time.process_time() - cpu),
        "seconds": round(time.monotonic() - began),
    }


def commit() -> str:
    """Return the commit that fixed the settings; "uncommitted" where the file was changed since.

    Without git there is nothing to cite, and it says so.
    """

    def git(*words: str) -> str:
        told = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
        return told.stdout.strip()

    try:
        if git("status", "--porcelain", "--", SETTINGS):
            return "uncommitted"
        return git("log", "-1", "--format=%H", "--", SETTINGS)
    except (OSError, subprocess.CalledProcessError):
        return "no git"


def brief(value: Any) -> Any:
    """Return a result without the values of single runs, for the last line."""
    if isinstance(value, dict):
        return {k: brief(v) for k, v in value.items() if not _long(v)}
    if isinstance(value, list):
        return [brief(v) for v in value]
    return round(value, 4) if isinstance(value, float) else value


def _plain(value: Any) -> Any:
    """Return numpy's scalars as Python's."""
    return value.item()


def _long(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 5 and not isinstance(value[0], dict)


def main() -> None:
    """Run what was asked and write it down."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("name", nargs="?", choices=[*PLANS, "pilot", "all"], default="pilot")
    parser.add_argument("--pilot", action="store_true", help="the pilot, whatever the name")
    where = pathlib.Path(tempfile.gettempdir()) / "s2l-evidence"
    parser.add_argument("--work", type=pathlib.Path, default=where, help="what is made, kept there")
    shared = ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=pathlib.Path, default=shared, help="files of `purity`")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "evidence")
    asked = parser.parse_args()
    names = list(PLANS) if asked.name == "all" else [asked.name]
    for name in ["pilot"] if asked.pilot else names:
        lab = Lab(asked.work, REGIME)
        found = run(name, lab, asked.data)
        asked.out.mkdir(parents=True, exist_ok=True)
        path = asked.out / f"{name}.json"
        path.write_text(
            json.dumps(rounded(found), indent=1, default=_plain) + "\n", encoding="utf-8"
        )
        print(json.dumps(brief(rounded(found)), default=_plain), flush=True)


def rounded(value: Any) -> Any:
    """Return numbers to six digits behind the point, and None for what is not a number."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v) for v in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


if __name__ == "__main__":
    main()
