"""Stop a training of two processes at random times; each time a whole checkpoint must be left.

`python -m tests.campaigns.stops 20 [STEPS]` runs until 20 stops have hit; the last line is JSON: stops, whole
(that left a checkpoint which can be read back and is the step said), exact (whose resumed run, at the
end, has the losses of one that was never stopped).
"""

import json
import multiprocessing
import os
import pathlib
import random
import socket
import sys
import tempfile
import time

import numpy as np

from core.jobs.progress import Stopped
from core.model import loading
from core.training.checkpoints import damage, newest_complete, step_of
from core.training.loop import fit
from core.training.recipe import Recipe
from tests.core.training.test_micro_batches import DATA, ROWS

STEPS = 60
FORK = multiprocessing.get_context("fork")  # loading the libraries takes longer than a run


def work(folder: pathlib.Path, variables: dict[str, str], steps: int, save: float) -> None:
    """Be one process of a run; exit with 3 where it was stopped."""
    os.environ |= variables
    recipe = Recipe(
        steps=steps, batch_size=16, lr=3e-3, seed=1, precision="fp32", save_seconds=save
    )
    model, _ = loading.load("scratch:tiny", seed=0, texts=["a b c"])
    try:
        fit(model, DATA, ROWS, recipe, folder, stage="train")
    except Stopped:
        sys.exit(3)


def port() -> str:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def start(folder: pathlib.Path, job: pathlib.Path, steps: int, save: float, world: int):
    """Start the processes of one run."""
    job.mkdir(parents=True, exist_ok=True)
    group = {"WORLD_SIZE": f"{world}", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port()}
    own = [
        {**group, "RANK": f"{i}", "LOCAL_RANK": f"{i}", "S2L_JOB": f"{job}"} for i in range(world)
    ]
    processes = [FORK.Process(target=work, args=(folder, v, steps, save)) for v in own]
    for process in processes:
        process.start()
    return processes


def end(processes) -> list[int]:
    """Wait until all have ended; return their exit codes."""
    for process in processes:
        process.join(300)
    return [process.exitcode for process in processes]


def steps_done(folder: pathlib.Path) -> int:
    """Return how many steps a run has written."""
    log = folder / "metrics.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def losses(folder: pathlib.Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").open()]


def stop_once(folder, job, after: int, rng: random.Random, steps: int, world: int) -> int:
    """Stop a run a random moment after some steps; return its exit code: 3 where the stop hit."""
    (job / "STOP").unlink(missing_ok=True)
    processes = start(folder, job, steps, rng.choice([0.0, 0.05, 60.0]), world)
    while steps_done(folder) < after and processes[0].is_alive():
        time.sleep(0.005)
    time.sleep(rng.random() * 0.05)
    (job / "STOP").touch()
    codes = end(processes)
    assert codes in ([0] * world, [3] * world), codes
    return codes[0]


def campaign(wanted: int, folder: pathlib.Path, steps: int = STEPS, world: int = 2, seed: int = 0):
    """Stop and resume runs until `wanted` stops have hit; return the counts."""
    rng = random.Random(seed)
    found = {"stops": 0, "whole": 0, "runs": 0, "exact": 0}
    whole = folder / "whole"
    assert end(start(whole, folder / "job", steps, 60.0, world)) == [0] * world
    while found["stops"] < wanted:
        found["runs"] += 1
        run, job = folder / f"run-{found['runs']}", folder / f"job-{found['runs']}"
        code = 3
        while code == 3:
            more = found["stops"] < wanted
            after = steps_done(run) + rng.randint(1, max(1, steps // 4)) if more else steps + 1
            code = stop_once(run, job, after, rng, steps, world)
            if code == 3:
                found["stops"] += 1
                last = newest_complete(run / "checkpoints")
                same = last is not None and step_of(last) == steps_done(run)
                found["whole"] += same and not damage(last, world)
        found["exact"] += bool(np.array_equal(losses(run), losses(whole)))
    return found


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        counts = [int(text) for text in sys.argv[1:]] or [20]
        found = campaign(counts[0], pathlib.Path(folder), *counts[1:])
    sys.stdout.write(json.dumps(found) + "\n")
    return int(found["whole"] != found["stops"] or found["exact"] != found["runs"])


if __name__ == "__main__":
    sys.exit(main())
