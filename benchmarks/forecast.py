"""The forecast of a fine-tune beside what it took: six runs of different shape, each tried first.

Run with `python benchmarks/forecast.py WORKSPACE SELECTION [SHAPE ...]`. One shape is
asked for in 70% of the memory that it took, too, which must be said not to do. The last line is
JSON: median_error and worst_error of the time as a share of what it took, and fits_wrong, verdicts
that were not so.

On a machine that others use, `--processor` before WORKSPACE compares seconds of the processor: one
thread, and a try whose clock stands still while it waits.
"""

from __future__ import annotations

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from core.finetune import fit
from core.finetune.fit import FitRun
from core.finetune.settings import Settings
from core.jobs.children import environment
from core.settings import to_argv
from core.training.fit_memory import VARIABLE, gib
from core.workspace.store import Workspace

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {"model": "scratch:tiny", "steps": 60, "batch_size": 16, "decode": 32},
    "tiny-no-answers": {"model": "scratch:tiny", "steps": 60, "batch_size": 8, "decode": 0},
    "tiny-lora": {"model": "scratch:tiny", "method": "lora", "steps": 30, "decode": 8},
    "small-short-rows": {"model": "scratch:small", "steps": 15, "max_length": 128, "decode": 8},
    "small-computed-again": {
        "model": "scratch:small",
        "steps": 12,
        "batch_size": 8,
        "micro_batch": 2,
        "gradient_checkpointing": True,
        "decode": 4,
    },
    "small-small-batches": {"model": "scratch:small", "steps": 40, "batch_size": 4, "decode": 4},
}
PROCESSOR = "--processor"
CLOCK = """
import time, psutil
psutil.Process.create_time = lambda self, now=time.time: now() - time.process_time()
time.monotonic = time.process_time
"""
"""What a try does before anything else where seconds of the processor count."""
LONG = 3000.0
"""Seconds of a try on a busy machine, at most."""
TIGHT = ("small-computed-again",)
"""Asked for in too little memory, too."""


def took(workspace: Workspace, settings: Settings, *, processor: bool) -> tuple[bool, float, float]:
    """Run a fine-tune as a person would; return whether it ended well, its seconds, its peak."""
    began = time.monotonic()
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "core", "--workspace", str(workspace.root), "finetune"),
            *to_argv(settings),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(worker.pid, 0)
    seconds = usage.ru_utime + usage.ru_stime if processor else time.monotonic() - began
    return status == 0, seconds, usage.ru_maxrss * 2.0**10


def count_processor(folder: pathlib.Path) -> None:
    """Let tries and runs take one thread, and tries have the processor's seconds for a clock."""
    os.environ |= {"OMP_NUM_THREADS": "1"}
    (folder / "sitecustomize.py").write_text(CLOCK)
    places = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    timed = lambda: environment() | {"PYTHONPATH": places}  # noqa: E731
    mock.patch.object(fit, "environment", timed).start()


def main(root: str, selection: str, *names: str, processor: bool = False) -> None:
    """Try, run and compare the shapes named, or all of them."""
    workspace = Workspace(root)
    clock = tempfile.TemporaryDirectory()
    if processor:
        count_processor(pathlib.Path(clock.name))
    errors, wrong = [], 0
    for name in names or SHAPES:
        shape = SHAPES[name]
        settings = Settings(selection=selection, name=f"forecast {time.time():.0f}", **shape)
        found = FitRun(workspace, settings, LONG).wait()
        if found.problem or found.forecast is None:
            wrong += 1
            print(f"{name}: {found.problem or found.why}")
            continue
        ended, seconds, peak = took(workspace, settings, processor=processor)
        middle = found.forecast.middle
        errors.append(abs(middle - seconds) / seconds)
        wrong += not ended
        print(
            f"{name}: {middle:.1f} s said ({found.forecast.low:.0f} to {found.forecast.high:.0f}), "
            f"{seconds:.1f} s taken, off by {errors[-1]:.0%}; {gib(found.peak.host)} said, "
            f"{gib(peak)} taken; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        if name in TIGHT:
            os.environ[VARIABLE] = f"{0.7 * peak:.0f}"
            less = FitRun(workspace, settings).wait()
            del os.environ[VARIABLE]
            wrong += less.fits
            print(f"{name}, in {gib(0.7 * peak)}: {less.why or 'said to fit'}", flush=True)
    numbers = {
        "median_error": round(statistics.median(errors), 3),
        "worst_error": round(max(errors), 3),
        "fits_wrong": wrong,
    }
    print(json.dumps(numbers))


if __name__ == "__main__":
    main(*(a for a in sys.argv[1:] if a != PROCESSOR), processor=PROCESSOR in sys.argv)
