"""A model made smaller: layers left out, and a vocabulary cut to the tokens that some texts need.

Trimming is exact for byte-pair encoding: a text is split by a sequence of merges, always the
earliest in the list that applies, so leaving out merges that it does not use changes nothing in how
it is split. The alphabet stays, so every other text can still be written, in more and smaller
tokens.
"""

from __future__ import annotations

import itertools
import json
import pathlib
import re
import tempfile
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from core.arrays import Ints
from core.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BATCH = 512
BYTE = re.compile("<0x[0-9A-F]{2}>")


def shrink(model: PreTrainedModel, layers: int) -> PreTrainedModel:
    """Keep `layers` evenly spaced blocks, first and last included, of a decoder.

    Raises:
        InputError: the model has fewer blocks, or its blocks cannot be found.
    """
    import torch

    blocks = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, torch.nn.ModuleList)
        and len(child) == getattr(model.config, "num_hidden_layers", -1)
    ]
    if len(blocks) != 1:
        raise InputError("the blocks of this model cannot be found, so it cannot be shrunk")
    parent, name, old = blocks[0]
    if layers > len(old):
        raise InputError(f"this model has {len(old)} layers; it cannot be shrunk to {layers}")
    kept = [round(i * (len(old) - 1) / max(1, layers - 1)) for i in range(layers)]
    setattr(parent, name, torch.nn.ModuleList([old[i] for i in kept]))
    for index, i in enumerate(kept):
        for module in old[i].modules():
            if hasattr(module, "layer_idx"):
                module.layer_idx = index  # type: ignore[assignment]
    model.config.num_hidden_layers = layers
    if getattr(model.config, "layer_types", None):
        model.config.layer_types = [model.config.layer_types[i] for i in kept]
    return model


def trim(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]
) -> PreTrainedTokenizerBase:
    """Cut a model's embedding and output rows to what `texts` need; return the tokenizer for it.

    Logits of the tokens that stay are unchanged; the softmax runs over fewer of them, so every
    loss is at most what it was.

    Args:
        model: Changed in place.
        texts: As the model will see them, template included.

    Raises:
        InputError: the tokenizer is not a byte-pair encoding.
    """
    kept = needed(tokenizer, texts)
    _trim_rows(model, kept)
    new = {int(old): i for i, old in enumerate(kept)}
    for config in (model.config, model.config.get_text_config(), model.generation_config):
        for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
            old = getattr(config, name, None)
            if isinstance(old, list):
                setattr(config, name, [new[i] for i in old if i in new])
            elif old is not None:
                setattr(config, name, new.get(old))
    return _trim_tokenizer(tokenizer, new)


def needed(tokenizer: Any, texts: Iterable[str]) -> Ints:
    """Return the ids that splitting these texts uses, in order (n_kept,).

    Those that occur, those they are merged from, the alphabet and the special tokens.

    Raises:
        InputError: the tokenizer is not a byte-pair encoding.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    if state["model"]["type"] != "BPE":
        raise InputError(
            f"this model's tokenizer is {state['model']['type']}, and only a byte-pair encoding "
            "(BPE) can be trimmed; leave :trim away"
        )
    vocabulary: dict[str, int] = state["model"]["vocab"]
    names = {i: token for token, i in vocabulary.items()}
    sources: dict[str, list[list[str]]] = {}
    for pair in state["model"]["merges"]:
        sources.setdefault("".join(pair), []).append(pair)
    ids = {t["id"] for t in state["added_tokens"]}
    ids |= {i for token, i in vocabulary.items() if len(token) == 1 or BYTE.fullmatch(token)}
    ids |= {vocabulary[t] for t in [state["model"]["unk_token"]] if t}
    rest = iter(texts)
    while part := list(itertools.islice(rest, BATCH)):
        encoded = tokenizer(part, add_special_tokens=False, verbose=False)["input_ids"]
        ids.update(i for row in encoded for i in row)
    queue = [names[i] for i in ids if i in names]
    while queue:
        for pair in sources.get(queue.pop(), []):
            fresh = [t for t in pair if vocabulary[t] not in ids]
            ids.update(vocabulary[t] for t in fresh)
            queue += fresh
    return np.array(sorted(ids), np.int64)


def _trim_rows(model: PreTrainedModel, kept: Ints) -> None:
    """Move the rows that stay to the front, then let the library cut the rest off."""
    import torch

    index = torch.from_numpy(kept)
    ends: list[Any] = [model.get_input_embeddings(), model.get_output_embeddings()]
    rows = [ends[0].weight, ends[1].weight, getattr(ends[1], "bias", None)]
    with torch.no_grad():
        for part in {id(r): r for r in rows if r is not None}.values():  # tied ones once
            part[: len(kept)] = part[index]
    model.resize_token_embeddings(len(kept), mean_resizing=False)


def _trim_tokenizer(tokenizer: Any, new: dict[int, int]) -> PreTrainedTokenizerBase:
    """Return a tokenizer of the ids that stay, renumbered from old to new."""
    from core.model.tokenizers import load_tokenizer

    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        file = pathlib.Path(folder) / "tokenizer.json"
        state = json.loads(file.read_text(encoding="utf-8"))
        bpe = state["model"]
        bpe["vocab"] = {t: new[i] for t, i in bpe["vocab"].items() if i in new}
        bpe["merges"] = [
            pair for pair in bpe["merges"] if {*pair, "".join(pair)} <= bpe["vocab"].keys()
        ]
        for token in state["added_tokens"]:
            token["id"] = new[token["id"]]
        _renumber(state["post_processor"], new)
        file.write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
        return load_tokenizer(folder)


def _renumber(processor: Any, new: dict[int, int]) -> None:
    """Renumber the special tokens that a tokenizer puts around a text."""
    for part in (processor or {}).get("processors", []):
        _renumber(part, new)
    for token in (processor or {}).get("special_tokens", {}).values():
        token["ids"] = [new[i] for i in token["ids"]]
