"""Proxies and targets by name: from scratch, cut from a larger model, a local directory, a hub id.

Remote code is never run and pickled weights are never read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, cast

from core.errors import InputError
from core.jobs.progress import say
from core.model import checkpoint
from core.model.methods import in_four_bits
from core.model.output_layer import output_layer
from core.model.scratch import from_scratch, shape_of
from core.model.shrinking import shrink, trim
from core.model.tokenizers import (
    POSITIONS,
    load_error,
    load_tokenizer,
    named,
    quiet,
    source,
    train_tokenizer,
)
from core.workspace.files import newer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

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
TRIM = ":trim"
Precision = Literal["auto", "fp32", "bf16"]


def is_scratch(spec: str) -> bool:
    """Say whether the model starts from random weights."""
    return spec.removeprefix("shrink:").startswith("scratch:")


def trimmed(spec: str) -> bool:
    """Say whether the model is cut to the vocabulary of the data."""
    return spec.startswith("shrink:") and spec.endswith(TRIM)


def base_of(spec: str) -> str:
    """Return the model that a shrunk one is cut from; of any other, the model itself.

    Raises:
        InputError: it begins with shrink: and does not go on as it should.
    """
    return _parts(spec)[0] if spec.startswith("shrink:") else spec


def _parts(spec: str) -> tuple[str, int]:
    model, _, layers = spec.removeprefix("shrink:").removesuffix(TRIM).rpartition(":")
    if not model or not re.fullmatch("[0-9]{1,9}", layers) or int(layers) < 1:
        raise InputError(f"{spec!r} should read shrink:<model>:<layers>[:trim], as shrink:gpt2:4")
    return model, int(layers)


def load(
    spec: str,
    *,
    seed: int,
    texts: Iterable[str] = (),
    frozen: bool = False,
    precision: str = "auto",
    four_bits: bool = False,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model with its tokenizer, ready to train: in fp32, unless it stays as it is.

    A model that trains as a whole has fp32 weights, whatever its products are computed in: bf16 has
    8 bits of precision, and a step of 2e-5 on a weight of 0.02 would be rounded away.

    Args:
        spec: `scratch:tiny|small`, `shrink:<model>:<layers>[:trim]`, a local directory or a hub id.
        seed: Draws the weights of a scratch model.
        texts: What a scratch model's tokenizer is trained on, and a trimmed one is cut to.
        frozen: Whether an adapter is what will train.
        precision: Of the run; on a GPU a frozen model is loaded in it.
        four_bits: Whether a frozen model is held in NF4, on a GPU.

    Raises:
        InputError: there is no such model, it has no tokenizer, or it cannot be read.
    """
    from transformers import set_seed

    quiet()
    if spec.startswith("shrink:"):
        base, layers = _parts(spec)
        if trimmed(spec) and is_scratch(spec):
            raise InputError(f"{spec!r}: a scratch vocabulary is the data's own; leave :trim away")
        model, tokenizer = load(base, seed=seed, texts=texts)
        model = shrink(model, layers)
        return model, trim(model, tokenizer, texts) if trimmed(spec) else tokenizer
    if is_scratch(spec):
        shape = shape_of(spec)
        tokenizer = train_tokenizer(texts, shape["vocabulary"])
        set_seed(seed)
        return from_scratch(shape, tokenizer), tokenizer
    tokenizer = load_tokenizer(spec)
    weights = load_weights(spec, frozen=frozen, precision=precision, four_bits=four_bits)
    return weights, tokenizer


def load_tokenizer_of(spec: str, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """Load a model's tokenizer without its weights; one from scratch is trained on the texts.

    A model cut to a vocabulary splits texts as the whole one does.

    Raises:
        InputError: there is no such model, or it has no tokenizer.
    """
    base = base_of(spec)
    if is_scratch(base):
        return train_tokenizer(texts, shape_of(base)["vocabulary"])
    return load_tokenizer(base)


def model_type(spec: str) -> str:
    """Return what a model's config.json calls its architecture; nothing where it cannot be read."""
    from transformers import AutoConfig

    where, how = source(spec)
    try:
        return str(AutoConfig.from_pretrained(where, trust_remote_code=False, **how).model_type)
    except Exception:  # loading it says what is wrong
        return ""


def load_weights(
    spec: str, *, frozen: bool = False, precision: str = "auto", four_bits: bool = False
) -> PreTrainedModel:
    """Load a model from a local directory or the hub: safetensors or GGUF, never a pickle.

    In fp32; one that stays `frozen` in the run's own precision where that is a GPU's, or in NF4.

    Raises:
        InputError: there is none, it cannot be read, it is no decoder-only one, or its weights are
            not whole.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    quiet()
    folder = named(spec)
    checkpoint.check_folder(spec, folder)
    gguf = sorted(folder.glob("*.gguf")) if folder.is_dir() else []
    named_gguf = bool(gguf) and not (folder / "config.json").exists()
    where, how = source(spec)
    how |= {"gguf_file": gguf[0].name} if named_gguf else {}
    extra: dict[str, Any] = dict(how)
    half = frozen and device() == "cuda" and in_bf16(precision, "cuda")
    extra |= in_four_bits(half) if four_bits else {}
    try:
        config = AutoConfig.from_pretrained(where, trust_remote_code=False, **how)
        checkpoint.check_kind(spec, config)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            where,
            dtype=torch.bfloat16 if half else torch.float32,
            trust_remote_code=False,
            use_safetensors=None if "gguf_file" in extra else True,
            output_loading_info=True,
            **extra,
        )
        model, report = loaded
    except InputError:
        raise
    except Exception as e:  # a dozen types: the hub client's, safetensors' own, KeyError
        raise load_error(spec, "model", e) from e
    checkpoint.check_weights(spec, model, report)
    if four_bits:
        from peft import prepare_model_for_kbit_training

        prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    output_layer(model)
    return model  # type: ignore[no-any-return]


def changed_since(spec: str, id: str, created: str) -> bool:
    """Say whether a model's folder was written to after a run of it began, and tell people.

    Its path stands in what the run is found again by, its content does not. What has no folder, a
    hub id or a model from scratch, does not change.

    Args:
        spec: As for `load`.
        created: When it began: ISO 8601, UTC.
    """
    if is_scratch(spec) or not (folder := named(base_of(spec))).is_dir():
        return False
    changed = newer(folder, created)
    if changed:
        say(f"{spec} changed after {id} was begun with it, so that is not used again")
    return changed


def place(model: PreTrainedModel) -> None:
    """Move a model to where training runs; one in 4 bits is there already."""
    if not getattr(model, "is_loaded_in_4bit", False):
        model.to(device())  # type: ignore[arg-type]


def place_if_it_fits(model: PreTrainedModel) -> None:
    """Move a model to where training runs, unless that is a GPU with less room than it takes."""
    import torch

    needed = sum(p.numel() * p.element_size() for p in model.parameters())
    if device() != "cuda" or needed < torch.cuda.mem_get_info()[0]:
        place(model)


def size(model: PreTrainedModel) -> int:
    """Return the number of parameters; one in 4 bits holds two in each of its numbers."""
    return sum(
        p.numel() * (2 if type(p).__name__ == "Params4bit" else 1) for p in model.parameters()
    )


def positions(model: PreTrainedModel) -> int:
    """Return the longest input the model takes, in tokens."""
    return int(getattr(model.config, "max_position_embeddings", POSITIONS) or POSITIONS)


def check_vocabulary(model: PreTrainedModel, highest: int) -> None:
    """Refuse token ids beyond the model's embeddings, which would be a crash later.

    Raises:
        InputError: `highest` is such an id.
    """
    known = len(cast("torch.nn.Embedding", model.get_input_embeddings()).weight)
    if highest >= known:
        raise InputError(
            f"the tokenizer gives token {highest:,}, but the model knows only {known:,}: it is "
            "another model's tokenizer; put the right one beside the model"
        )


def device() -> str:
    """Return where training runs: cuda, mps or cpu."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


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

    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
