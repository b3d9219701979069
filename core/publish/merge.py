"""Merging an adapter into its base, and the proof that the result is the same model."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from core.arrays import Float32s
from core.errors import InputError
from core.finetune.trained import adapter_of, load_trained
from core.model.tokens import Tokens, tokenize
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOLERANCE = 1e-4
"""Logits of the written model may differ by so much, times the largest of them where above 1."""
ROUNDED = 0.2
"""As above, of weights that were rounded to bf16: what is further off was written wrongly."""
LOOKED_AT, LONGEST = 8, 256
"""Rows whose logits are compared, spread over the dataset, and tokens of each at most."""


def merged(made: Artifact) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the trained model of a fine-tune as one model without an adapter.

    Raises:
        InputError: as `load_trained`.
    """
    model, tokenizer = load_trained(made)
    return (merge(model) if adapter_of(made) else model), tokenizer


def merge(model: Any) -> PreTrainedModel:
    """Merge the adapter of a model in fp32 into its weights; the model given is used up.

    Where the adapter has embeddings of its own, the output layer was tied to the base's: the two
    are then saved apart, which is what was trained.
    """
    whole: PreTrainedModel = model.merge_and_unload(safe_merge=True)
    first, last = whole.get_input_embeddings(), whole.get_output_embeddings()
    if last is not None and first.weight is not last.weight:
        for config in {id(c): c for c in (whole.config, whole.config.get_text_config())}.values():
            config.tie_word_embeddings = False
    return whole


def sample(workspace: Workspace, made: Artifact, tokenizer: Any) -> tuple[Tokens, list[int]]:
    """Return the rows whose logits are compared, as the model reads them."""
    dataset = made.ancestor("dataset")
    tokens = tokenize(workspace, dataset, tokenizer, made.config["template"]).cut(LONGEST)
    there = np.flatnonzero(tokens.lengths() > 1)
    places = np.unique(np.linspace(0, len(there) - 1, LOOKED_AT).astype(int))
    return tokens, there[places].tolist()


def logits(model: Any, tokens: Tokens, rows: list[int]) -> list[Float32s]:
    """Return the fp32 logits of some rows, one row at a time (n_tokens, vocabulary)."""
    import torch

    model.eval()
    with torch.no_grad():
        return [
            model(input_ids=torch.tensor(tokens.row(r)[0])[None]).logits[0].float().numpy()
            for r in rows
        ]


def difference(a: list[Float32s], b: list[Float32s]) -> float:
    """Return the largest difference of two models' logits, as a share of the largest above 1."""
    size = max(1.0, max(float(np.abs(x).max()) for x in a))
    return max(float(np.abs(x - y).max()) for x, y in zip(a, b, strict=True)) / size


def check_same(folder: pathlib.Path, tokens: Tokens, rows: list[int], was: list[Float32s]) -> float:
    """Load a written folder as any other tool does and compare its logits; return how far they are.

    Raises:
        InputError: it does not load, or is another model.
    """
    import torch
    from transformers import AutoModelForCausalLM

    again = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
    far = difference(was, logits(again, tokens, rows))
    if not far <= (TOLERANCE if _stored(folder) == "F32" else ROUNDED):
        raise InputError(
            f"the written model's logits differ by {far:.2g} from those of the fine-tune, so it is "
            "not written; take the adapter alone"
        )
    return far


def _stored(folder: pathlib.Path) -> str:
    """Return the type that a folder's weights are stored in, as safetensors calls it."""
    from safetensors import safe_open

    first = sorted(folder.glob("*.safetensors"))[0]
    with safe_open(str(first), framework="np") as file:
        return str(file.get_slice(next(iter(file.keys()))).get_dtype())
