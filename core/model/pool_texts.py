"""Texts of a dataset read from the disk as they are needed: for a tokenizer, for names."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Iterator

import pyarrow.parquet as pq

from core.dataset.artifact import examples_file
from core.model import loading, tokenizers
from core.model.chat_template import Refused
from core.model.conversation import Turn, join_extras, stored_columns
from core.model.spans import render_spans
from core.model.templates import choose, renderer
from core.workspace.artifact import Artifact


@dataclasses.dataclass(frozen=True)
class PoolTexts:
    """The pool's rows, one text each, in the order of the dataset; never all in memory."""

    file: pathlib.Path
    columns: tuple[str, ...]
    write: Callable[..., str]
    """The named columns of a row to its text."""

    def __iter__(self) -> Iterator[str]:
        columns = [*self.columns, "split"]
        for batch in pq.ParquetFile(self.file).iter_batches(columns=columns):
            parts = batch.to_pydict()
            for *row, split in zip(*(parts[name] for name in columns), strict=True):
                if split == "pool":
                    yield self.write(*row)


def pool_texts(dataset: Artifact, model: str, template: str = "auto") -> Iterable[str]:
    """Return the pool's texts where the model's tokenizer depends on them, else none.

    A scratch model's is trained on prompts and responses; a trimmed one is cut to what the texts
    need as the template renders them. Neither depends on the order of the texts.
    """
    file = examples_file(dataset)
    if loading.is_scratch(model):
        return PoolTexts(file, ("prompt", "response"), "{}\n{}".format)
    if not loading.trimmed(model):
        return ()
    tokenizer = tokenizers.load_tokenizer(loading.base_of(model))
    name = choose(template, tokenizer, scratch=False)
    render = renderer(name, tokenizer)

    def rendered(messages: list[Turn], extras: str | None = None) -> str:
        try:
            return render_spans(render, join_extras(messages, extras), name)[0]
        except Refused:  # tokenizing skips it, too, and says why
            return ""

    columns = stored_columns(pq.read_schema(file).names)
    return PoolTexts(file, tuple(columns), rendered)
