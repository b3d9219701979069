"""What a run reports of every step: its metrics file, TensorBoard's files, trackers if asked for.

metrics.jsonl is the truth; TensorBoard's files are made from it again when a run is resumed, so
they hold every step once.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import resource
import shutil
import sys
import time
from typing import Any

from core.errors import InputError
from core.spec import listed
from core.training.settings import TRACKERS
from core.workspace.files import append_jsonl, read_jsonl

METRICS = "metrics.jsonl"
TENSORBOARD = "tensorboard"
LINES = 4_000
"""Steps of a run whose every step is a line; a longer one writes a line each few steps."""
TAGS = {
    "loss": "train/loss",
    "held_out": "eval/loss",
    "lr": "train/learning_rate",
    "grad_norm": "train/grad_norm",
    "tokens/s": "train/tokens_per_second",
    "memory": "train/memory_bytes",
}
"""What of a line TensorBoard shows, by the names that others use."""


def load_metrics(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Read the lines of a run, finished or not; each has `step` and what was measured of it."""
    return list(read_jsonl(folder / METRICS))


def check_trackers(names: str) -> list[str]:
    """Return the trackers asked for.

    Raises:
        InputError: one is none of them, or is not installed here.
    """
    trackers = listed(names)
    for name in trackers:
        if name not in TRACKERS:
            raise InputError(f"--report-to takes {', '.join(TRACKERS)}, not {name!r}")
        if importlib.util.find_spec(name) is None:
            raise InputError(
                f"--report-to {name} needs the package {name}: `pip install {name}`, or leave it "
                "away; TensorBoard's files are written without it"
            )
    return trackers


def identify(id: str) -> None:
    """Let trackers know a run by its own id, so that a resumed one goes on in the same place."""
    os.environ.setdefault("WANDB_RUN_ID", id)
    os.environ.setdefault("WANDB_RESUME", "allow")
    for name in ("WANDB_PROJECT", "TRACKIO_PROJECT", "MLFLOW_EXPERIMENT_NAME"):
        os.environ.setdefault(name, "s2l-studio")


def memory() -> int:
    """Return the most bytes held so far: of the GPU where there is one, else of this process."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


class RunLog:
    """Writes the lines of one run."""

    def __init__(self, folder: pathlib.Path, steps: int, *, tensorboard: bool) -> None:
        """Go on after what `folder` holds; TensorBoard's files are made anew from it."""
        self.file, self.steps = folder / METRICS, steps
        self.every = -(-steps // LINES)
        self.writer: Any = None
        if tensorboard and importlib.util.find_spec("tensorboardX"):
            shutil.rmtree(folder / TENSORBOARD, ignore_errors=True)
            self.writer = _events(folder / TENSORBOARD)
            for line in read_jsonl(self.file):
                self._show(line)

    def add(self, line: dict[str, Any]) -> None:
        """Write what is known of a step, if it is one of those that are written."""
        if line["step"] % self.every and line["step"] != self.steps and "held_out" not in line:
            return
        append_jsonl(self.file, line)
        self._show(line)

    def _show(self, line: dict[str, Any]) -> None:
        if not self.writer:
            return
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        for key, tag in TAGS.items():
            if key in line:
                told = scalar(tag, line[key])
                self.writer.write_event(
                    Event(wall_time=time.time(), step=line["step"], summary=told)
                )
        self.writer.flush()

    def close(self) -> None:
        """Close TensorBoard's files."""
        if self.writer:
            self.writer.close()


def _events(folder: pathlib.Path) -> Any:
    """Return what writes TensorBoard's file.

    The library's own writer does so in a thread, which a full disk ends, and waits for it then.
    """
    from tensorboardX.event_file_writer import EventsWriter

    folder.mkdir(parents=True, exist_ok=True)
    return EventsWriter(str(folder / "events"))
