"""The rows as a model will read them: what is trained, where a turn ends, what is cut.

Needs the model's tokenizer and template, not its weights.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.arrays import Bools, Ints
from core.dataset.artifact import examples_file
from core.finetune.artifact import weights
from core.finetune.prepare import Read, read
from core.finetune.settings import Settings, resolve
from core.finetune.trained import base_run
from core.model import loading
from core.model.conversation import Turn, conversations, stored_columns
from core.model.pool_texts import pool_texts
from core.model.rendering import Renderer
from core.model.templates import renderer
from core.model.token_roles import Piece, pieces
from core.model.tokenizers import POSITIONS, named, source
from core.workspace.artifact import Artifact
from core.workspace.store import Workspace


@dataclasses.dataclass(frozen=True)
class SelectionPreview:
    """A selection as a model reads it, and what is to be known of its rows."""

    dataset: Artifact
    read: Read
    tokenizer: Any
    render: Renderer
    cut: Ints
    """Rows that lose their end to the longest length (n_cut,)."""
    ended: Bools
    """Whether the end of the last reply is trained, of every row trained on (n_rows,)."""
    end: str
    """What most rows end with, as the tokenizer writes it."""

    def facts(self) -> str:
        """Say in a sentence what is trained on."""
        rows, tokens = self.read.rows, self.read.tokens
        trained = int(tokens.response_lengths()[rows].sum())
        out = [
            f"{len(rows):,} of {len(self.read.selected):,} rows are trained on",
            f"{trained:,} of {int(tokens.lengths()[rows].sum()):,} tokens are trained",
            f"the end of a turn, {self.end!r}, is trained in {int(self.ended.sum()):,} of "
            f"{len(rows):,}",
            f"{len(self.cut):,} cut at {tokens.max_length:,} tokens",
        ]
        return "; ".join(out)

    def pieces(self, row: int) -> list[Piece]:
        """Return a row token by token, each with its part in training.

        Raises:
            Refused: the template cannot render it.
        """
        file = examples_file(self.dataset)
        columns = stored_columns(pq.read_schema(file).names)
        [talk] = conversations(pq.read_table(file, columns=columns).take(pa.array([row])))
        messages: list[Turn] = talk
        read = self.read
        return pieces(self.tokenizer, self.render, messages, read.template, read.tokens.max_length)


def preview(workspace: Workspace, settings: Settings) -> SelectionPreview:
    """Return the rows of a fine-tune as its model will read them.

    Raises:
        InputError: there is no such model, its template is none, or no row has a token to train on.
    """
    s = resolve(settings)
    selection = workspace.open(s.selection, "selection")
    dataset = selection.ancestor("dataset")
    if base := base_run(s.model, dataset):
        tokenizer = loading.load_tokenizer_of(str(weights(base.path, base.config["method"])), ())
    else:
        tokenizer = loading.load_tokenizer_of(s.model, pool_texts(dataset, s.model, s.template))
    as_read = read(workspace, s, selection, tokenizer, positions_of(began_with(s.model, dataset)))
    as_read.check()
    rows, tokens = as_read.rows, as_read.tokens
    last = tokens.spans[tokens.span_offsets[rows + 1] - 1, 1]
    ended = last <= tokens.max_length
    ends = collections.Counter(tokens.ids[tokens.offsets[rows[ended]] + last[ended] - 1].tolist())
    end = str(tokenizer.decode([ends.most_common(1)[0][0]])) if ends else ""
    selected = as_read.selected
    cut = selected[tokens.full_lengths()[selected] > tokens.max_length]
    render = renderer(as_read.template, tokenizer)
    return SelectionPreview(dataset, as_read, tokenizer, render, np.sort(cut), ended, end)


def began_with(model: str, beside: Artifact) -> str:
    """Return what a fine-tune began with that a model's name means; another name as it is."""
    base = base_run(model, beside)
    return began_with(str(base.config["model"]), base) if base else model


def positions_of(spec: str) -> int:
    """Return the longest input a model takes, in tokens, from its configuration alone."""
    from transformers import AutoConfig

    base = loading.base_of(spec)
    if loading.is_scratch(base):
        return POSITIONS
    folder = named(base)
    where, how = source(base)
    gguf = sorted(folder.glob("*.gguf")) if folder.is_dir() else []
    extra = {"gguf_file": gguf[0].name} if gguf and not (folder / "config.json").exists() else {}
    try:
        config = AutoConfig.from_pretrained(where, trust_remote_code=False, **how, **extra)
    except Exception:  # a dozen types; loading the model says what is wrong
        return POSITIONS
    return int(getattr(config, "max_position_embeddings", POSITIONS) or POSITIONS)
