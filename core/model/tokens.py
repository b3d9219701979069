"""Tokens on disk: written once per (dataset, tokenizer, template), read by memory map.

Max length is a view on them, so changing it costs nothing. The cache can be deleted at any time.
"""

from __future__ import annotations

import dataclasses
import pathlib
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from core.arrays import Bools, Ints, write_array
from core.dataset.artifact import examples_file
from core.errors import InputError
from core.jobs.progress import Progress, say
from core.model.chat_template import TODAY, asks_for_date, sources
from core.model.conversation import Turn, conversations, stored_columns
from core.model.encoding import Collector
from core.model.encoding import encode as encode
from core.model.encoding import token_spans as token_spans
from core.model.loading import positions
from core.model.remarks import FILLED, Remarks
from core.model.rendering import Render
from core.model.templates import TEMPLATES_VERSION, renderer
from core.workspace.artifact import Artifact
from core.workspace.files import fingerprint, rename, write_json
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BATCH = 512
IGNORED = -100
"""The label that a causal model's loss leaves out."""
REMARKS = "remarks.json"
SHORT = 128
"""Rows of at most this many tokens are never cut by default."""


@dataclasses.dataclass(frozen=True)
class Tokens:
    """Token ids and response spans of every row of a dataset, seen through a maximum length."""

    ids: npt.NDArray[np.uint32]
    """All rows end to end (n_tokens,), memory-mapped."""
    offsets: Ints
    """Row r is ids[offsets[r]:offsets[r + 1]] (n_rows + 1,)."""
    spans: Ints
    """Response spans [start, end), positions inside the row (n_spans, 2)."""
    span_offsets: Ints
    """The spans of row r are spans[span_offsets[r]:span_offsets[r + 1]] (n_rows + 1,)."""
    max_length: int
    remarks: Remarks = dataclasses.field(default_factory=Remarks)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, r: int) -> tuple[Ints, Bools]:
        """Return the ids and the response mask of a row, cut at max_length."""
        start = int(self.offsets[r])
        n = min(int(self.offsets[r + 1]) - start, self.max_length)
        mask = np.zeros(n, bool)
        for a, b in self.spans[self.span_offsets[r] : self.span_offsets[r + 1]]:
            mask[a:b] = True
        mask[:1] = False  # nothing comes before the first token, so nothing predicts it
        return self.ids[start : start + n].astype(np.int64), mask

    def full_lengths(self) -> Ints:
        """Return the uncut length of every row, in tokens (n_rows,)."""
        return np.diff(self.offsets)

    def lengths(self) -> Ints:
        """Return the length of every row after the cut, in tokens (n_rows,)."""
        return np.minimum(self.full_lengths(), self.max_length)

    def response_lengths(self) -> Ints:
        """Return the number of response tokens of every row after the cut (n_rows,)."""
        start = np.maximum(self.spans[:, 0], 1)
        size = np.maximum(np.minimum(self.spans[:, 1], self.max_length) - start, 0)
        total = np.concatenate([[0], np.cumsum(size)])
        out: Ints = total[self.span_offsets[1:]] - total[self.span_offsets[:-1]]
        return out

    def untrained(self) -> dict[int, str]:
        """Return why rows have no response token: row -> reason."""
        out = {}
        whole = self.cut(2**31).response_lengths()
        for row in np.flatnonzero(self.response_lengths() == 0).tolist():
            out[row] = self.remarks.refused.get(
                row,
                FILLED.format(self.max_length) if whole[row] else "it has no reply to train on",
            )
        return out

    def reasons(self) -> npt.NDArray[np.object_]:
        """Return what is to be said of every row, "" of most (n_rows,)."""
        out = np.full(len(self), "", object)
        for what, rows in self.remarks.noted.items():
            out[rows] = what
        for row, why in self.untrained().items():
            out[row] = why
        return out

    def highest(self) -> int:
        """Return the highest token id of all rows."""
        return int(self.ids.max(initial=0))

    def cut(self, max_length: int) -> Tokens:
        """Return the same tokens seen through another maximum length."""
        return dataclasses.replace(self, max_length=max_length)


def window(asked: int | str, lengths: Ints, model: PreTrainedModel) -> int:
    """Return the longest row to train on, in tokens: `longest` within what the model reads."""
    return longest(asked, lengths, positions(model))


def longest(asked: int | str, lengths: Ints, room: int) -> int:
    """Return the longest row to train on, in tokens, at most `room`.

    `auto` is the 99th percentile, or the longest row where all are short: cutting saves nothing.
    """
    if asked != "auto":
        return min(room, int(asked))
    most = int(lengths.max(initial=8))
    usual = int(np.quantile(lengths, 0.99)) if len(lengths) else most
    return min(room, max(8, usual, min(most, SHORT)))


def batches(lengths: Ints, rows: Ints, budget: int) -> Iterator[Ints]:
    """Yield groups of rows of similar length whose padded size is at most `budget` tokens.

    Longest first, so that running out of memory happens at once. Ties keep the order of `rows`.
    """
    order = rows[np.argsort(-lengths[rows], kind="stable")]
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


def pad(tokens: Tokens, rows: Ints, pad_id: int) -> tuple[Ints, Bools]:
    """Return ids and response mask (n_rows, longest), padded on the right.

    Causal attention makes a mask unnecessary: what is on the right is never seen.
    """
    parts = [tokens.row(int(r)) for r in rows]
    width = max(len(ids) for ids, _ in parts)
    ids = np.full((len(parts), width), pad_id, np.int64)
    mask = np.zeros((len(parts), width), bool)
    for i, (row_ids, row_mask) in enumerate(parts):
        ids[i, : len(row_ids)] = row_ids
        mask[i, : len(row_ids)] = row_mask
    return ids, mask


def tokenize(
    workspace: Workspace, dataset: Artifact, tokenizer: Any, template: str, max_length: int = 2**31
) -> Tokens:
    """Return the tokens of a dataset, from the cache or written now.

    Raises:
        InputError: the template cannot say where responses are.
    """
    words = [tokenizer.special_tokens_map, tokenizer.all_special_tokens]
    how = [template, tokenizer.chat_template, words, TEMPLATES_VERSION]
    if template == "chat" and asks_for_date(sources(tokenizer)):
        how.append(str(TODAY))
    key = fingerprint(dataset.id, tokenizer.backend_tokenizer.to_str(), how)
    folder = workspace.cache / "tokens" / key
    if not (folder / "offsets.npy").exists():
        work = folder.with_name(f".{key}.{secrets.token_hex(4)}")
        work.mkdir(parents=True)
        try:
            _write(work, dataset, tokenizer, renderer(template, tokenizer), template)
            try:
                rename(work, folder)
            except OSError:
                if not folder.exists():  # else another process wrote the same
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
    size = (folder / "tokens.bin").stat().st_size
    tokens = Tokens(
        np.memmap(folder / "tokens.bin", np.uint32, "r") if size else np.zeros(0, np.uint32),
        np.load(folder / "offsets.npy"),
        np.load(folder / "spans.npy"),
        np.load(folder / "span_offsets.npy"),
        max_length,
        Remarks.read(folder / REMARKS),
    )
    for sentence in tokens.remarks.sentences(len(tokens)):
        say(sentence)
    return tokens


def in_memory(
    tokenizer: Any,
    render: Render,
    talks: list[list[Turn]],
    template: str,
    rows: Ints | None = None,
) -> Tokens:
    """Return the tokens of a few conversations, uncut and unstored.

    Args:
        tokenizer: Splits the text.
        rows: What to call them in remarks (n_talks,); their place where left out.
    """
    collect = Collector(render, range(len(talks)) if rows is None else rows.tolist())
    encoded = [
        pair
        for start in range(0, len(talks), BATCH)
        for pair in collect.batch(tokenizer, talks[start : start + BATCH], template)
    ]
    spans = [s for _, row in encoded for s in row]
    return Tokens(
        np.concatenate([ids for ids, _ in encoded]).astype(np.uint32),
        np.cumsum([0, *(len(ids) for ids, _ in encoded)]),
        np.array(spans, np.int64).reshape(-1, 2),
        np.cumsum([0, *(len(row) for _, row in encoded)]),
        2**31,
        collect.remarks,
    )


def from_labels(examples: Iterable[Mapping[str, Any]]) -> Tokens:
    """Return the tokens of examples that are tokenized already, as any Trainer takes them.

    Args:
        examples: Each with `input_ids` and `labels` of one length, -100 where nothing is trained;
            padding is left out where there is an `attention_mask`.

    Raises:
        InputError: an example's labels are not its ids where they are not -100.
    """
    ids, spans, lengths, counts = [], [], [], []
    for i, example in enumerate(examples):
        row, labels = (np.asarray(example[k], np.int64) for k in ("input_ids", "labels"))
        if row.shape != labels.shape or (labels[labels != IGNORED] != row[labels != IGNORED]).any():
            raise InputError(f"example {i:,}: labels must be input_ids, or {IGNORED} where ignored")
        if "attention_mask" in example:
            real = np.asarray(example["attention_mask"], bool)
            row, labels = row[real], labels[real]
        edges = np.flatnonzero(np.diff(np.r_[0, labels != IGNORED, 0]))
        ids.append(row.astype(np.uint32).tobytes())
        lengths.append(len(row))
        spans.append(edges.reshape(-1, 2))
        counts.append(len(edges) // 2)
    return Tokens(
        np.frombuffer(b"".join(ids), np.uint32),
        np.cumsum([0, *lengths]),
        np.concatenate([np.zeros((0, 2), np.int64), *spans]),
        np.cumsum([0, *counts]),
        2**31,
    )


def _write(
    folder: pathlib.Path, dataset: Artifact, tokenizer: Any, render: Render, template: str
) -> None:
    """Write all rows, holding a batch of them and one number a row."""
    table = pq.ParquetFile(examples_file(dataset))
    columns = stored_columns(table.schema_arrow.names)
    n_rows, done = table.metadata.num_rows, 0
    lengths = np.zeros(n_rows + 1, np.int64)
    counts = np.zeros(n_rows + 1, np.int64)
    parts = [np.zeros((0, 2), np.int64)]
    collect = Collector(render, range(n_rows))
    progress = Progress("tokenize", n_rows, brief=True)
    with (folder / "tokens.bin").open("wb") as out:
        for batch in table.iter_batches(BATCH, columns=columns):
            encoded = collect.batch(tokenizer, conversations(batch), template)
            out.write(np.concatenate([ids for ids, _ in encoded]).astype(np.uint32).tobytes())
            here = slice(done + 1, done + 1 + len(encoded))
            lengths[here] = [len(ids) for ids, _ in encoded]
            counts[here] = [len(spans) for _, spans in encoded]
            spans = [span for _, row in encoded for span in row]
            parts.append(np.array(spans, np.int64).reshape(-1, 2))
            done += len(encoded)
            progress.update(done)
    write_array(folder / "spans.npy", np.concatenate(parts))
    write_array(folder / "span_offsets.npy", np.cumsum(counts))
    write_json(folder / REMARKS, dataclasses.asdict(collect.remarks))
    write_array(folder / "offsets.npy", np.cumsum(lengths))
