"""Who can be talked to: a fine-tune by its id, and what it began with by `base:<id>`.

One model is in memory at a time. Adapters are small, so a base stays where it is while the adapters
that were trained on it are changed over it.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Any, NamedTuple

from core.errors import InputError
from core.finetune.settings import short
from core.finetune.trained import adapter_of, load_base, load_trained
from core.model import loading
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

BASE = "base:"
MOST = 4
"""Models asked side by side: the base, the run and two others."""


class Speaker(NamedTuple):
    """One that can be talked to."""

    made: Artifact
    base: bool
    """Whether what the fine-tune began with is meant, not what it became."""


def base_of(made: Artifact) -> str:
    """Return the key of what a fine-tune began with."""
    return BASE + made.id


def of(workspace: Workspace, key: str) -> Speaker:
    """Return who a key names.

    Raises:
        InputError: there is no such fine-tune.
    """
    made = workspace.open(key.removeprefix(BASE), "finetune")
    return Speaker(made, key.startswith(BASE))


def title(speaker: Speaker) -> str:
    """Name a speaker for people."""
    if not speaker.base:
        return speaker.made.name
    model = str(speaker.made.config["model"])
    how = " (untrained)" if loading.is_scratch(model) else ""
    return f"base: {short(model)}{how}"


class Shelf:
    """The one model that is in memory."""

    def __init__(self) -> None:
        self.key = ""
        """What is loaded; empty for nothing."""
        self._model: Any = None
        self._tokenizer: Any = None

    def clear(self) -> None:
        """Free the memory of the model."""
        self.key, self._model, self._tokenizer = "", None, None
        gc.collect()
        if loading.device() == "cuda":
            import torch

            torch.cuda.empty_cache()

    def holds(self, speaker: Speaker) -> bool:
        """Say whether a speaker needs no loading of weights."""
        return self.key == _key(speaker)

    @contextlib.contextmanager
    def take(self, speaker: Speaker) -> Iterator[tuple[Any, Any]]:
        """Yield a speaker's model and tokenizer, loaded in place of another where need be.

        Raises:
            InputError: as `load_trained`.
        """
        if not self.holds(speaker):
            self.clear()
            load = load_base if _on_base(speaker) else load_trained
            self._model, self._tokenizer = load(speaker.made, frozen=True)
            self._model.to(loading.device())
            self._model.eval()
            self.key = _key(speaker)
        with self._adapted(speaker) as model:
            yield model, self._tokenizer

    @contextlib.contextmanager
    def _adapted(self, speaker: Speaker) -> Iterator[Any]:
        from peft import PeftModel

        wrapped = isinstance(self._model, PeftModel)
        if not _on_base(speaker) or (speaker.base and not wrapped):
            yield self._model
        elif speaker.base:
            with self._model.disable_adapter():
                yield self._model
        else:
            name, folder = speaker.made.id, str(adapter_of(speaker.made))
            if not wrapped:
                self._model = PeftModel.from_pretrained(self._model, folder, adapter_name=name)
            elif name not in self._model.peft_config:
                self._model.load_adapter(folder, adapter_name=name)
            self._model.set_adapter(name)
            yield self._model.eval()


def _on_base(speaker: Speaker) -> bool:
    return speaker.base or adapter_of(speaker.made) is not None


def _key(speaker: Speaker) -> str:
    """Name the weights that a speaker needs: its own, or the base that others may have as well."""
    made, config = speaker.made, speaker.made.config
    if not _on_base(speaker):
        return made.id
    own = loading.is_scratch(config["model"]) or loading.trimmed(config["model"])
    drawn = f" {config['seed']} {made.ancestor('dataset').id} {config['template']}" if own else ""
    return f"{BASE}{config['model']}{drawn}"


def check_number(keys: list[str]) -> None:
    """Refuse more models than are shown side by side.

    Raises:
        InputError: there are more, none, or one twice.
    """
    if not 1 <= len(keys) <= MOST or len(set(keys)) < len(keys):
        raise InputError(f"choose 1 to {MOST} different models to talk to, not {len(keys)}")
