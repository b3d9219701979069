"""Special tokens in people's texts: what may stand in a text, what ends a reply.

A text that contains `<|im_end|>` must not end a turn, so a space is put behind the first character
of such a mark. A reply is different in two ways: data often holds the end mark already, which is
then taken off, for the template writes it; and the marks that the template itself writes inside
replies (`<think>`, `<tool_call>`) are what the model must write, so they stay.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable
from typing import Any, NamedTuple

from core.errors import InputError, one_line
from core.model.chat_template import Refused
from core.model.conversation import Turn

Inner = Callable[[list[Turn], bool], str]
"""(messages, whether to open the assistant's next turn) -> text, marks in the messages and all."""
QUESTION, ANSWER, NEXT, CALL, RESULT = (
    f"\ue000{word}\ue001" for word in ("question", "answer", "next", "call", "result")
)
"""Texts that no data holds, to find again in what a template writes."""


class Marks(NamedTuple):
    """The special tokens of a tokenizer, by what a template does with them."""

    special: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    """Those that a reply may contain."""
    ends: tuple[str, ...] = ()
    """What the template writes behind a reply that ends the conversation, in its order."""
    stop: str = ""
    """What ends a reply where the template writes nothing behind it; "" where it does."""
    call_stop: str = ""
    """The same for a turn that calls tools."""

    def harmless(self, text: str, *, reply: bool = False) -> str:
        """Return a text whose special tokens are none any more, but for a reply's own."""
        for mark in self.special:
            if mark in text and not (reply and mark in self.own):
                text = text.replace(mark, mark[0] + " " + mark[1:])
        return text

    def without_end(self, text: str) -> str:
        """Return a reply without the end mark that its data has already."""
        marks = [m for m in (*self.ends, self.stop) if m]
        while ended := next((m for m in marks if text.rstrip().endswith(m)), None):
            text = text.rstrip().removesuffix(ended)
            marks.remove(ended)
        return text

    def everywhere(self, value: Any, *, reply: bool = False) -> Any:
        """Return a value of JSON with every text in it made harmless."""
        if isinstance(value, str):
            return self.harmless(value, reply=reply)
        if isinstance(value, list):
            return [self.everywhere(v, reply=reply) for v in value]
        if isinstance(value, dict):
            return {self.harmless(k): self.everywhere(v, reply=reply) for k, v in value.items()}
        return value


def special_tokens(tokenizer: Any) -> tuple[str, ...]:
    """Return the texts that a tokenizer takes for special tokens."""
    # a chat model's turn marks are often added tokens without being "the" special tokens
    added = [str(t) for t in tokenizer.added_tokens_decoder.values() if t.special]
    return tuple(sorted(s for s in {*tokenizer.all_special_tokens, *added} if len(s) > 1))


def marks_of_plain(tokenizer: Any) -> Marks:
    """Return the marks of a template that writes the end of text behind every reply."""
    special, eos = special_tokens(tokenizer), tokenizer.eos_token or ""
    own = tuple(s for s in special if _paired(s, special) and s not in _outer(tokenizer))
    return Marks(special, own, (eos,) if eos else ())


def marks_of_chat(tokenizer: Any, inner: Inner) -> Marks:
    """Look at what a chat template writes around a reply.

    Raises:
        InputError: it cannot even render a question and its answer.
    """
    special = special_tokens(tokenizer)
    asked = [{"role": "user", "content": QUESTION}]
    answered = [*asked, {"role": "assistant", "content": ANSWER}]
    try:
        before, alone = inner(asked, False), inner(answered, False)
    except Refused as e:
        raise InputError(
            f"the model's chat template fails on a question and its answer ({one_line(e)}); "
            "use --template alpaca or plain",
            failure="no-template",
        ) from e
    if ANSWER not in alone:
        raise InputError(
            "the model's chat template leaves answers out; use --template alpaca or plain",
            failure="no-template",
        )
    tail = alone.rpartition(ANSWER)[2]
    between = _try(inner, [*answered, {"role": "user", "content": NEXT}])
    between = between.rpartition(ANSWER)[2].partition(NEXT)[0]
    ends = _in_order(tail, _mark_like(tokenizer))
    follows = _in_order(between, special)
    stop = ""
    if not ends:
        follows = [m for m in follows if between.lstrip().startswith(m)]
        stop = follows[0] if follows else tokenizer.eos_token or ""
    header = common([_try(inner, asked, opened=True), alone])
    system = _try(inner, [{"role": "system", "content": QUESTION}, *answered])
    turns = before + tail + between
    called, _, done = _try(inner, tool_talk()).partition(QUESTION)[2].partition(CALL)
    done = done.partition(ANSWER)[0]
    stops = [done.index(m) for m in ends if m in done]
    inside = called + done[: min(stops, default=0)]
    heads = header + system.partition(ANSWER)[0] + done[min(stops, default=0) :]
    own = tuple(
        s
        for s in special
        if s not in _outer(tokenizer)
        and s not in turns
        and (_paired(s, special) or (s in inside and s not in heads))
    )
    calls = [m for m in _in_order(done.partition(RESULT)[0], special) if not _paired(m, special)]
    call_stop = calls[0] if stop and calls else stop
    return Marks(special, own, tuple(ends), stop, call_stop)


def tool_talk(*, as_text: bool = False, empty: str | None = "") -> list[Turn]:
    """Return a conversation with a call and its result, whose texts can be found again.

    Args:
        as_text: Whether the arguments are JSON text, not an object.
        empty: The content of the turn that calls.
    """
    arguments: Any = {"key": CALL}
    call = {"name": "look_up", "arguments": f'{{"key": "{CALL}"}}' if as_text else arguments}
    about = {"name": "look_up", "description": "", "parameters": {"type": "object"}}
    return [
        {"role": "user", "content": QUESTION, "tools": [{"type": "function", "function": about}]},
        {
            "role": "assistant",
            "content": empty,
            "tool_calls": [{"id": "call00001", "type": "function", "function": call}],
        },
        {"role": "tool", "content": RESULT, "tool_call_id": "call00001", "name": "look_up"},
        {"role": "assistant", "content": ANSWER},
    ]


def _try(inner: Inner, messages: list[Turn], *, opened: bool = False) -> str:
    try:
        return inner(messages, opened)
    except Refused:
        return ""


def _outer(tokenizer: Any) -> set[str]:
    """Return the tokens that begin, end or fill a text."""
    names = ("bos_token", "eos_token", "pad_token", "unk_token")
    return {str(getattr(tokenizer, name, None)) for name in names}


def _paired(mark: str, special: tuple[str, ...]) -> bool:
    """Return whether a mark is one of `<name>` and `</name>`, both special."""
    if not (mark.startswith("<") and mark.endswith(">") and len(mark.strip("</>")) > 1):
        return False
    other = "<" + mark[2:] if mark.startswith("</") else "</" + mark[1:]
    return other in special


def _mark_like(tokenizer: Any) -> tuple[str, ...]:
    """Return special tokens, and added ones that look like a mark: `<turn>`, not white space."""
    added = [str(t) for t in tokenizer.added_tokens_decoder.values()]
    like = [a for a in added if a.startswith(("<", "[")) and a.endswith((">", "]"))]
    return tuple({*special_tokens(tokenizer), *like})


def common(texts: list[str]) -> str:
    """Return what texts begin with in common, character by character."""
    return os.path.commonprefix(texts)  # noqa: RUF071 (these are no paths)


def _in_order(text: str, marks: tuple[str, ...]) -> list[str]:
    return sorted((m for m in marks if m in text), key=text.index)
