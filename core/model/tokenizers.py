"""Tokenizers: loaded with a model, or trained on the data."""

from __future__ import annotations

import itertools
import os
import pathlib
import re
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.model.templates import PLAIN_JINJA
from core.workspace.files import given, read_json, regular

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


WORDS = (".json", ".txt", ".model", ".jinja")
LARGEST = 10**8
"""Bytes of a file of words or settings beside a model: those of 260,000 pieces have 35 million."""
LAYERS = re.compile(r"(\w+_)?(num|n)_(\w+_)?(layers?|blocks?)|layers|depth")
EXPERTS = re.compile(r"(\w+_)?(num|n)_(\w+_)?experts")
MOST_LAYERS, MOST_PARTS = 2_000, 100_000
"""The library makes every layer, and lists of so many items, before it looks at the weights."""
END = "<|end|>"
POSITIONS = 1024
RARE = 12
"""A pair of symbols seen less often is not merged: small data would be learned by heart."""


def quiet() -> None:
    """Leave the library's progress bars out: ours says how far the work is."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def load_tokenizer(spec: str) -> PreTrainedTokenizerBase:
    """Load the fast tokenizer of a local directory or hub id.

    Raises:
        InputError: there is none, it is a slow one, or it cannot be read.
    """
    from transformers import AutoTokenizer

    folder = named(spec)
    looks_local = folder.is_absolute() or spec.startswith((".", "~")) or spec.count("/") > 1
    if looks_local and not folder.is_dir():
        raise InputError(f"no model directory {spec}")
    extra: dict[str, Any] = {}
    if folder.is_dir() and not any(
        (folder / f).exists() for f in ("tokenizer.json", "tokenizer_config.json", "vocab.json")
    ):
        gguf = sorted(folder.glob("*.gguf"))
        if not gguf:
            raise InputError(f"{spec} has no tokenizer (tokenizer.json); save one beside the model")
        extra = {"gguf_file": gguf[0].name}
    where, how = source(spec)
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False, **how, **extra)
    except Exception as e:  # a dozen types: the hub client's, the Rust library's bare Exception
        raise load_error(spec, "tokenizer", e) from e
    if not tokenizer.is_fast:
        raise InputError(f"{spec} has only a slow tokenizer; character offsets need a fast one")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def named(spec: str) -> pathlib.Path:
    """Return a model's folder, if the name is one's; a hub id is that of none.

    Raises:
        InputError: reading what stands there could hang, or take all memory.
    """
    folder = given(spec)
    for path in folder.iterdir() if folder.is_dir() else []:
        regular(path)
        if path.suffix in WORDS and path.is_file() and (there := path.stat().st_size) > LARGEST:
            raise InputError(
                f"{path} has {there / 1e6:,.0f} MB, which no model's has (at most "
                f"{LARGEST / 1e6:,.0f}); save or download the whole model again"
            )
    config = read_json(folder / "config.json") or {}
    layers, experts = (max(_counts(config, names), default=0) for names in (LAYERS, EXPERTS))
    if layers > MOST_LAYERS or layers * experts > MOST_PARTS:
        raise InputError(
            f"{folder / 'config.json'} says {layers:,} layers"
            + (f" with {experts:,} experts each" if experts else "")
            + ", more than any model has; save or download the whole model again"
        )
    return folder


def _counts(config: dict[str, Any], names: re.Pattern[str]) -> Iterator[int]:
    """Yield the numbers under such names, in the configurations within it, too."""
    for name, value in config.items():
        if isinstance(value, dict):
            yield from _counts(value, names)
        elif isinstance(value, int) and names.fullmatch(name):
            yield value


def source(spec: str) -> tuple[str, dict[str, Any]]:
    """Return where a model's files are read, and what the library is told besides.

    Without a way to the hub, only files that are here: its client tries for 24 s, file by file.

    Raises:
        InputError: as `named`.
    """
    folder = named(spec)
    if folder.is_dir():
        return str(folder), {}
    return spec, {"local_files_only": True} if out_of_reach() else {}


def out_of_reach() -> bool:
    """Return whether the hub's name has no address here, and no proxy might know one."""
    if urllib.request.getproxies():
        return False
    hub = urllib.parse.urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    try:
        socket.getaddrinfo(hub.hostname, hub.port or 443)
    except OSError:
        return True
    return False


def load_error(spec: str, part: str, error: Exception) -> InputError:
    """Say why a part of a model could not be loaded, and what to give instead."""
    text = str(error).strip()
    first = text.split("\n")[0].strip()
    first = (" ".join(text.split()) if first.endswith(":") else first)[:300]
    folder = pathlib.Path(spec).expanduser()
    if folder.is_dir():
        message = f"the {part} in {spec} cannot be read: {first.rstrip('.')}"
        kinds = {p.suffix for p in folder.iterdir()}
        if "no file named model.safetensors" in text and ".safetensors" not in kinds:
            message = f"{spec} has no weights"
            if ".bin" in kinds:
                message += " but pickled ones (.bin), which may run code and are not read"
        message += "; save or download the whole model again, or give another folder"
        return InputError(message, failure="missing-model")
    if "gated repo" in text.lower() or type(error).__name__ == "GatedRepoError":
        message = f"{spec} is given only to people who accepted its licence: do so on its page, "
        message += f"and sign in with `hf auth login` ({first})"
        return InputError(message, failure="gated-model")
    offline = os.environ.get("HF_HUB_OFFLINE") or "connect" in text.lower()
    hint = (
        "the model hub cannot be reached from here; give a local directory, or scratch:small"
        if offline
        else "give a hub id, a local directory, or scratch:small"
    )
    return InputError(f"no model {spec!r}: {hint} ({first})", failure="missing-model")


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerBase:
    """Train a byte-level BPE tokenizer that keeps digits apart; any order of texts gives it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    inner.train_from_iterator(
        itertools.chain(["Q: A:"], texts),
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            min_frequency=RARE,
            special_tokens=[END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token=END, pad_token=END, model_max_length=POSITIONS
    )
    tokenizer.chat_template = PLAIN_JINJA  # a saved model knows the template it was trained with
    return tokenizer
