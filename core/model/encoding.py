"""From conversations to token ids and the spans of the replies among them."""

from __future__ import annotations

import bisect
import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from core.arrays import Ints
from core.model.chat_template import Refused
from core.model.conversation import Turn
from core.model.remarks import Remarks
from core.model.rendering import Render, Renderer
from core.model.spans import Rendered, Span, render_row

if TYPE_CHECKING:
    from tokenizers import Encoding


class Collector:
    """Renders and tokenizes batches of rows in their order, and collects what is odd."""

    def __init__(self, render: Render, rows: Iterable[int]) -> None:
        self.render = render
        self.rows = iter(rows)
        stop = render.marks.stop if isinstance(render, Renderer) else ""
        self.remarks = Remarks(stop=stop)

    def batch(
        self, tokenizer: Any, talks: list[list[Turn]], template: str
    ) -> list[tuple[Ints, list[Span]]]:
        """Return the ids and response spans of every row; a refused one has neither."""
        rendered = [self._row(talk, template) for talk in talks]
        return tokenized(tokenizer, rendered)

    def _row(self, talk: list[Turn], template: str) -> Rendered:
        row = next(self.rows)
        try:
            made = render_row(self.render, talk, template)
        except Refused as e:
            self.remarks.refused[row] = str(e)
            return Rendered("", [])
        for remark in made.remarks:
            self.remarks.noted.setdefault(remark, []).append(row)
        return made


def encode(
    tokenizer: Any, render: Render, talks: list[list[Turn]], template: str
) -> list[tuple[Ints, list[Span]]]:
    """Tokenize conversations; return per row its ids and its response spans in tokens.

    A token that straddles the border between prompt and response counts as response. A row that
    the template refuses has no tokens.
    """
    return Collector(render, range(len(talks))).batch(tokenizer, talks, template)


def tokenized(tokenizer: Any, rendered: list[Rendered]) -> list[tuple[Ints, list[Span]]]:
    """Return the ids and response spans, in tokens, of rendered rows."""
    encoded = tokenizer(
        [row.text for row in rendered],
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,  # too long for the model is no matter: rows are cut later
    )
    return [
        (np.array(ids, np.int64), token_spans(encoding, row.spans))
        for row, ids, encoding in zip(
            rendered, encoded["input_ids"], encoded.encodings, strict=True
        )
    ]


def token_spans(encoding: Encoding, char_spans: list[Span]) -> list[Span]:
    """Return the tokens that hold characters of each span [start, end).

    Listing the offsets of all tokens takes longer than all else here, so where one answer ends the
    text only its first token is looked up.
    """
    n = len(encoding)
    if len(char_spans) == 1:
        [(start, end)] = char_spans
        first = encoding.char_to_token(start)
        if first is not None and (final := encoding.token_to_chars(n - 1)) and final[0] < end:
            return [(first, n)]
    chars = encoding.offsets
    spans = []
    for start, end in char_spans:
        first = bisect.bisect_right(chars, start, key=operator.itemgetter(1))
        last = bisect.bisect_left(chars, end, key=operator.itemgetter(0))
        spans.append((first, max(first, last)))
    return spans
