"""Proxies and targets by name: from scratch, cut from a larger model, a local directory, a hub id.

Remote code is never run and pickled weights are never read.
"""

from __future__ import annotations

import itertools
import os
import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from core.model.shrinking import shrink, trim
from core.model.templates import PLAIN_JINJA

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

END = "<|end|>"
SCRATCH: dict[str, dict[str, int]] = {
    "tiny": {"vocabulary": 1024, "hidden": 96, "layers": 2, "heads": 4, "inner": 256},
    "small": {"vocabulary": 4096, "hidden": 192, "layers": 3, "heads": 6, "inner": 512},
}
KNOWN_SIZES = {
    "scratch:tiny": 0.29e6,
    "scratch:small": 2.1e6,
    "EleutherAI/pythia-70m-deduped": 70e6,
    "HuggingFaceTB/SmolLM2-135M-Instruct": 135e6,
    "EleutherAI/pythia-160m-deduped": 162e6,
    "EleutherAI/pythia-410m-deduped": 405e6,
    "microsoft/phi-2": 2.78e9,
    "microsoft/Phi-3-mini-4k-instruct": 3.82e9,
}
"""Parameters of the models that the lists offer."""
PROXIES = tuple(list(KNOWN_SIZES)[:5])
TARGETS = ("scratch:tiny", "scratch:small", *list(KNOWN_SIZES)[3:])
POSITIONS = 1024
TRIM = ":trim"
RARE = 12
"""A pair of symbols seen less often is not merged: small data would be learned by heart."""


def is_scratch(spec: str) -> bool:
    """Say whether the model starts from random weights."""
    return spec.removeprefix("shrink:").startswith("scratch:")


def trimmed(spec: str) -> bool:
    """Say whether the model is cut to the vocabulary of the data."""
    return spec.startswith("shrink:") and spec.endswith(TRIM)


def whole(spec: str) -> str:
    """Return the model that a shrunk one is cut from; of any other, the model itself.

    Raises:
        ValueError: it begins with shrink: and does not go on as it should.
    """
    return _parts(spec)[0] if spec.startswith("shrink:") else spec


def _parts(spec: str) -> tuple[str, int]:
    model, _, layers = spec.removeprefix("shrink:").removesuffix(TRIM).rpartition(":")
    if not model or not layers.isdigit() or int(layers) < 1:
        raise ValueError(f"{spec!r} should read shrink:<model>:<layers>[:trim], as shrink:gpt2:4")
    return model, int(layers)


def load(
    spec: str, *, seed: int, texts: Iterable[str] = ()
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model in fp32 with its tokenizer, ready to train.

    Args:
        spec: `scratch:tiny|small`, `shrink:<model>:<layers>[:trim]`, a local directory or a hub id.
        seed: Draws the weights of a scratch model.
        texts: What a scratch model's tokenizer is trained on, and a trimmed one is cut to.

    Raises:
        ValueError: there is no such model, it has no tokenizer, or it cannot be read.
    """
    from transformers import set_seed

    _quiet()
    if spec.startswith("shrink:"):
        base, layers = _parts(spec)
        if trimmed(spec) and is_scratch(spec):
            raise ValueError(f"{spec!r}: a scratch vocabulary is the data's own; leave :trim away")
        model, tokenizer = load(base, seed=seed, texts=texts)
        model = shrink(model, layers)
        return model, trim(model, tokenizer, texts) if trimmed(spec) else tokenizer
    if is_scratch(spec):
        name = spec.removeprefix("scratch:")
        if name not in SCRATCH:
            raise ValueError(f"no model {spec!r}; from scratch there are {', '.join(SCRATCH)}")
        tokenizer = train_tokenizer(texts, SCRATCH[name]["vocabulary"])
        set_seed(seed)
        return _scratch(SCRATCH[name], tokenizer), tokenizer
    tokenizer = load_tokenizer(spec)
    return load_weights(spec), tokenizer


def _quiet() -> None:
    """Leave the library's progress bars out: ours says how far the work is."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def load_weights(spec: str) -> PreTrainedModel:
    """Load a model in fp32 from a local directory or the hub: safetensors or GGUF, never a pickle.

    Raises:
        ValueError: there is none, or it cannot be read.
    """
    import torch
    from transformers import AutoModelForCausalLM

    _quiet()
    folder = pathlib.Path(spec).expanduser()
    gguf = sorted(folder.glob("*.gguf")) if folder.is_dir() else []
    extra = {"gguf_file": gguf[0].name} if gguf and not (folder / "config.json").exists() else {}
    try:
        return AutoModelForCausalLM.from_pretrained(
            str(folder) if folder.is_dir() else spec,
            dtype=torch.float32,
            trust_remote_code=False,
            use_safetensors=None if extra else True,
            **extra,
        )
    except Exception as e:  # a dozen types: the hub client's, safetensors' own, KeyError
        raise ValueError(_explain(spec, "model", e)) from e


def load_tokenizer(spec: str) -> PreTrainedTokenizerBase:
    """Load the fast tokenizer of a local directory or hub id.

    Raises:
        ValueError: there is none, it is a slow one, or it cannot be read.
    """
    from transformers import AutoTokenizer

    folder = pathlib.Path(spec).expanduser()
    looks_local = folder.is_absolute() or spec.startswith((".", "~")) or spec.count("/") > 1
    if looks_local and not folder.is_dir():
        raise ValueError(f"no model directory {spec}")
    extra: dict[str, Any] = {}
    if folder.is_dir() and not any(
        (folder / f).exists() for f in ("tokenizer.json", "tokenizer_config.json", "vocab.json")
    ):
        gguf = sorted(folder.glob("*.gguf"))
        if not gguf:
            raise ValueError(f"{spec} has no tokenizer (tokenizer.json); save one beside the model")
        extra = {"gguf_file": gguf[0].name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder) if folder.is_dir() else spec, trust_remote_code=False, **extra
        )
    except Exception as e:  # a dozen types: the hub client's, the Rust library's bare Exception
        raise ValueError(_explain(spec, "tokenizer", e)) from e
    if not tokenizer.is_fast:
        raise ValueError(f"{spec} has only a slow tokenizer; character offsets need a fast one")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _explain(spec: str, part: str, error: Exception) -> str:
    first = str(error).strip().split("\n")[0][:300]
    if pathlib.Path(spec).expanduser().is_dir():
        return f"the {part} in {spec} cannot be read: {first}"
    offline = os.environ.get("HF_HUB_OFFLINE") or "connect" in str(error).lower()
    hint = (
        "the model hub cannot be reached from here; give a local directory, or scratch:small"
        if offline
        else "give a hub id, a local directory, or scratch:small"
    )
    return f"no model {spec!r}: {hint} ({first})"


def _scratch(shape: dict[str, int], tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape["hidden"],
            intermediate_size=shape["inner"],
            num_hidden_layers=shape["layers"],
            num_attention_heads=shape["heads"],
            num_key_value_heads=shape["heads"],
            max_position_embeddings=POSITIONS,
            initializer_range=0.05,  # 0.02 suits widths of 1,000; these are below 200
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


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


def size(model: PreTrainedModel) -> int:
    """Return the number of parameters."""
    return sum(p.numel() for p in model.parameters())


def positions(model: PreTrainedModel) -> int:
    """Return the longest input the model takes, in tokens."""
    return int(getattr(model.config, "max_position_embeddings", POSITIONS) or POSITIONS)


def check_vocabulary(model: PreTrainedModel, highest: int) -> None:
    """Refuse token ids beyond the model's embeddings, which would be a crash later.

    Raises:
        ValueError: `highest` is such an id.
    """
    known = len(cast("torch.nn.Embedding", model.get_input_embeddings()).weight)
    if highest >= known:
        raise ValueError(
            f"the tokenizer gives token {highest:,}, but the model knows only {known:,}: it is "
            "another model's tokenizer; put the right one beside the model"
        )


def device() -> str:
    """Return where training runs: cuda, mps or cpu."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


PRECISIONS = ("auto", "fp32", "bf16")


def in_bf16(precision: str, where: str) -> bool:
    """Say whether to compute in bf16 on a device: when told to, or by itself on a GPU that has it.

    On CPUs it is never automatic: fp32 gives the same values after a resume.
    """
    import torch

    if precision == "auto":
        return where == "cuda" and torch.cuda.is_bf16_supported()
    return precision == "bf16"


def cpu_has_bf16() -> bool:
    """Say whether this processor multiplies bf16 matrices itself."""
    import torch

    found = torch.cpu.get_capabilities()
    return bool(found.get("amx_bf16") or found.get("avx512_bf16"))
