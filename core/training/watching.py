"""Looks at a model while it trains: its loss on held-out rows, its answers, its best weights.

A look draws no random numbers and leaves the model as it was, so training goes on as without it.
What was seen is in looks.jsonl; a resumed run reads there what it knew at its step.
"""

from __future__ import annotations

import math
import pathlib
import time
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from core.errors import InputError
from core.jobs import process_group
from core.jobs.progress import say
from core.model.scoring import score
from core.training.checkpoints import check_free
from core.training.watch import LOOKS, Watch
from core.workspace.files import append_jsonl, fsync, read_jsonl, write_jsonl

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, TrainerControl, TrainerState, TrainingArguments

BEST = "best"


class Watcher(TrainerCallback):
    """Looks when it is time; ends training that has stopped helping."""

    def __init__(
        self,
        watch: Watch,
        model: PreTrainedModel,
        folder: pathlib.Path,
        step: int,
        *,
        together: bool = False,
    ) -> None:
        """Look at a model whose run keeps its files in `folder` and goes on from `step`.

        `together`, all processes look at once: the model is in parts. One of them writes.
        """
        self.together = together
        self.watch, self.model, self.folder = watch, model, folder
        if process_group.main():
            drop_after(folder / LOOKS, step)
        kept = process_group.once(lambda: list(read_jsonl(folder / LOOKS)))
        self.losses: dict[int, float] = {r["step"]: r["loss"] for r in kept}
        """Step -> held-out loss, nats per response token, mean over the rows."""
        self.seconds = 0.0
        self.looked = 0
        """Looks of this process, and what they took."""
        self.ended_early = False

    def cost(self, step: int, steps: int) -> tuple[float, float]:
        """Return the seconds that looks took here, and those still to come after a step."""
        every = self.watch.every or 1
        ahead = -(-steps // every) - step // every
        return self.seconds, ahead * self.seconds / max(1, self.looked)

    @property
    def best_step(self) -> int:
        """The first step with the lowest loss; 0 before any look."""
        return min(self.losses, key=lambda step: (self.losses[step], step), default=0)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        if self.watch.every and state.global_step == 0 and 0 not in self.losses:
            self._look(0)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        step = state.global_step
        between, keep = self.watch.keep
        if between and step % between == 0 and step < state.max_steps:
            process_group.once(lambda: keep(step))
        if not self.watch.every or (step % self.watch.every and step != state.max_steps):
            return
        self._look(step)
        since = sum(s > self.best_step for s in self.losses)
        if 0 < self.watch.patience <= since and step < state.max_steps:
            self.ended_early = control.should_training_stop = True
            say(
                f"stopped early at step {step:,}: held-out loss was lowest at step "
                f"{self.best_step:,} ({self.losses[self.best_step]:.4f}), {since:,} looks ago"
            )

    def _look(self, step: int) -> None:
        began = time.monotonic()
        if self.together:
            self.losses[step] = self._measure(step)
        else:
            self.losses[step] = process_group.once(lambda: self._measure(step))
        self.seconds += time.monotonic() - began
        self.looked += 1

    def _measure(self, step: int) -> float:
        """Return the loss now; leave it in looks.jsonl, and the weights where they are the best.

        Raises:
            InputError: it is no number, or the disk has no room.
        """
        watch = self.watch
        scores = score(self.model, watch.tokens, watch.rows, precision=watch.precision)
        loss = float(scores.losses.mean())
        if not math.isfinite(loss):
            raise InputError(
                f"the held-out loss is {loss} after step {step:,}; try a smaller --lr, or "
                "--precision fp32",
                failure="nan",
            )
        if watch.best and loss < min(self.losses.values(), default=math.inf):
            self._save(step)
        line = {"step": step, "loss": loss, "rows": len(watch.rows), "answers": watch.answers()}
        if process_group.main():
            append_jsonl(self.folder / LOOKS, line)
        return loss

    def _file(self, step: int) -> pathlib.Path:
        return self.folder / "checkpoints" / BEST / f"step-{step}.safetensors"

    def _save(self, step: int) -> None:
        from safetensors.torch import save_file

        trained = {n: p.detach() for n, p in _trained(self.model)}
        file = self._file(step)
        size = sum(p.numel() * p.element_size() for p in trained.values())
        check_free(file, size, "keeping the best weights")
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({n: p.cpu().contiguous() for n, p in trained.items()}, file)
        fsync(file)

    def prune(self) -> None:
        """Drop what is no longer the best, now that no earlier step can be resumed from."""
        if self.watch.best:
            for file in self._file(0).parent.glob("step-*.safetensors"):
                if file != self._file(self.best_step):
                    file.unlink()

    def put_back(self) -> int:
        """Give the model the weights of its best look where those are asked for; return its step.

        The last step where they are not.
        """
        import torch
        from safetensors.torch import load_file

        last = max(self.losses, default=0)
        if not self.watch.best or self.best_step == last:
            return last
        kept = load_file(self._file(self.best_step))
        with torch.no_grad():
            for name, p in _trained(self.model):
                p.copy_(kept[name])
        say(f"the weights of step {self.best_step:,} are kept: held-out loss was lowest there")
        return self.best_step


def _trained(model: PreTrainedModel) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def drop_after(log: pathlib.Path, step: int) -> None:
    """Leave out of a log the lines of later steps: they are trained again."""
    if log.exists():
        write_jsonl(log, [r for r in read_jsonl(log) if r["step"] <= step])
