"""What is known of a model before it is loaded: its size, its licence, whether it is here.

Files are looked at, never read whole, and no hub is asked.
"""

from __future__ import annotations

import functools
import json
import math
import pathlib
import re
from typing import NamedTuple

from core.errors import InputError
from core.model import loading
from core.model.tokenizers import named

LICENCES = {
    "EleutherAI/pythia-70m-deduped": "apache-2.0",
    "EleutherAI/pythia-160m-deduped": "apache-2.0",
    "EleutherAI/pythia-410m-deduped": "apache-2.0",
    "HuggingFaceTB/SmolLM2-135M-Instruct": "apache-2.0",
    "microsoft/phi-2": "mit",
    "microsoft/Phi-3-mini-4k-instruct": "mit",
}
"""Licences that the models of the lists have on the hub; hints, the model's own page decides."""
FILES = {
    "apache-2.0": "Apache License",
    "mit": "MIT License",
    "gpl-3.0": "GNU GENERAL PUBLIC LICENSE",
    "llama": "LLAMA",
}
"""Licence -> words in the beginning of its text."""
LONGEST_HEADER = 2**26


class ModelLine(NamedTuple):
    """What a list of models shows."""

    spec: str
    parameters: int | None
    """None where no file and no table says it."""
    licence: str
    """A hint, empty where nothing says it."""
    here: bool
    """Whether it can be loaded without a network."""


def model(spec: str) -> ModelLine:
    """Return what is known of a model; nothing is said of one that is not to be found."""
    return ModelLine(spec, parameters(spec), licence(spec), here(spec))


def here(spec: str) -> bool:
    """Say whether a model is on this machine: from scratch, a folder, or in the hub's cache."""
    base = _base(spec)
    return loading.is_scratch(spec) or _folder(base) is not None


def parameters(spec: str) -> int | None:
    """Return a model's size: as its files say, else as the list has it; None where neither does."""
    base = _base(spec)
    if (folder := _folder(base)) is not None and base == spec:
        return _counted(folder, folder.stat().st_mtime_ns) or _listed(spec)
    return _listed(spec)


def licence(spec: str) -> str:
    """Return a hint at a model's licence: of its card, its licence file, else of our list."""
    base = _base(spec)
    folder = _folder(base)
    return (_written(folder) if folder else "") or LICENCES.get(base, "")


def _listed(spec: str) -> int | None:
    known = loading.KNOWN_SIZES.get(spec)
    return int(known) if known else None


def _base(spec: str) -> str:
    try:
        return loading.base_of(spec)
    except InputError:
        return spec


def _folder(spec: str) -> pathlib.Path | None:
    """Return where a model's files are; None where it is not on this machine."""
    try:
        folder = named(spec)
        if folder.is_dir():
            return folder
    except (InputError, OSError):
        return None
    return _cached(spec)


def _cached(spec: str) -> pathlib.Path | None:
    """Return the folder of a hub model in the hub's cache, if its weights are there."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(spec, "config.json")
    except (HFValidationError, OSError, ValueError):
        return None
    if not isinstance(path, str):
        return None
    folder = pathlib.Path(path).parent
    return folder if any(folder.glob("*.safetensors")) else None


@functools.lru_cache(256)
def _counted(folder: pathlib.Path, changed: int) -> int | None:
    """Count the numbers in a folder's safetensors files, by their headers."""
    try:
        return sum(map(_in_header, sorted(folder.glob("*.safetensors")))) or None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _in_header(file: pathlib.Path) -> int:
    with file.open("rb") as f:
        size = int.from_bytes(f.read(8), "little")
        if size > LONGEST_HEADER:
            raise ValueError("no safetensors header is so long")
        header = json.loads(f.read(size))
    return sum(math.prod(t["shape"]) for name, t in header.items() if name != "__metadata__")


def _written(folder: pathlib.Path) -> str:
    """Return the licence that a folder's card or licence file names, at most 40 characters."""
    try:
        card = _beginning(folder / "README.md")
        if card.startswith("---"):
            front = card.split("\n---", 1)[0]
            if license := re.search(
                r"^license(?:_name)?:[ \t]*(\S[^\n]{0,39})", front, re.MULTILINE
            ):
                return license[1].strip("\"' \t")
        for name in ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE"):
            text = _beginning(folder / name)
            if text:
                return next((k for k, words in FILES.items() if words in text), "see " + name)
    except OSError:
        pass
    return ""


def _beginning(file: pathlib.Path) -> str:
    if not file.is_file():
        return ""
    with file.open("rb") as f:
        return f.read(4096).decode(errors="replace")
