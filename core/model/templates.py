"""From messages to the text a model sees, with the character spans of the assistant's turns.

A template is a function from messages to text. A span is found by rendering successive prefixes of
the conversation: each must be a textual prefix of the next; a template that breaks this is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.errors import InputError

Message = dict[str, str]
Render = Callable[[list[Message], bool], str]
"""(messages, whether to open the assistant's next turn) -> text."""
Span = tuple[int, int]

TEMPLATES_VERSION = 1
"""Part of the token cache's key: raise it when a template here gives another text."""
ALPACA_INTRO = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
)


PLAIN_JINJA = (
    "{% for m in messages %}"
    "{% if m['role'] == 'assistant' %}A:{{ m['content'] }}{{ eos_token }}"
    "{% elif m['role'] == 'user' %}Q: {{ m['content'] }}"
    "{% else %}{{ m['content'] }}{% endif %}{{ '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}A:{% endif %}"
)
"""The plain template as scratch models carry it, for any other tool that loads them."""


def _plain(tokenizer: Any) -> Render:
    bos, eos = _added_bos(tokenizer), tokenizer.eos_token or ""

    def render(messages: list[Message], opened: bool) -> str:
        text = bos
        for m in messages:
            if m["role"] == "assistant":
                # no space after the colon: it would join the answer's first token when
                # training, but stand alone before it when generating
                text += f"A:{m['content']}{eos}\n"
            else:
                text += f"Q: {m['content']}\n" if m["role"] == "user" else f"{m['content']}\n"
        return text + ("A:" if opened else "")

    return render


def _alpaca(tokenizer: Any) -> Render:
    bos, eos = _added_bos(tokenizer), tokenizer.eos_token or ""

    def render(messages: list[Message], opened: bool) -> str:
        text = bos + ALPACA_INTRO
        for m in messages:
            if m["role"] == "assistant":
                text += f"### Response:{m['content']}{eos}\n\n"
            elif m["role"] == "user":
                text += f"### Instruction:\n{m['content']}\n\n"
            else:
                text += f"{m['content']}\n\n"
        return text + ("### Response:" if opened else "")

    return render


def _chat(tokenizer: Any) -> Render:
    def render(messages: list[Message], opened: bool) -> str:
        return str(
            tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=opened)
        )

    return render


TEMPLATES: dict[str, Callable[[Any], Render]] = {"chat": _chat, "alpaca": _alpaca, "plain": _plain}


def choose(name: str, tokenizer: Any, *, scratch: bool) -> str:
    """Resolve `auto`: plain for scratch models, else the model's chat template, else Alpaca.

    Raises:
        InputError: `chat` was asked of a tokenizer that has no chat template.
    """
    if name == "chat" and not tokenizer.chat_template:
        raise InputError("this model has no chat template; use --template alpaca or plain")
    if name != "auto":
        return name
    return "plain" if scratch else "chat" if tokenizer.chat_template else "alpaca"


def renderer(name: str, tokenizer: Any) -> Render:
    """Return the template, with special tokens inside people's texts made harmless.

    A dataset that contains the text `<|im_end|>` must not be able to end a turn: a space is put
    after the first character of such a text.
    """
    inner = TEMPLATES[name](tokenizer)
    # a chat model's turn marks are often added tokens without being "the" special tokens
    added = [str(t) for t in tokenizer.added_tokens_decoder.values() if t.special]
    specials = sorted(s for s in {*tokenizer.all_special_tokens, *added} if len(s) > 1)

    def defuse(text: str) -> str:
        for s in specials:
            if s in text:
                text = text.replace(s, s[0] + " " + s[1:])
        return text

    def render(messages: list[Message], opened: bool) -> str:
        safe = [{"role": m["role"], "content": defuse(m["content"])} for m in messages]
        return inner(safe, opened)

    return render


def render_spans(render: Render, messages: list[Message], name: str) -> tuple[str, list[Span]]:
    """Return the whole text and the character span [start, end) of every assistant turn.

    A span holds the content and the end-of-turn mark, not the white space after it.

    Raises:
        InputError: the template rewrites earlier turns, so spans cannot be known.
    """
    spans: list[Span] = []
    settled = ""  # the text up to the end of the last assistant turn
    for k, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before, after = render(messages[:k], True), render(messages[: k + 1], False)
        if not (before.startswith(settled) and after.startswith(before)):
            raise InputError(
                f"template {name!r} does not keep earlier turns as they were, so the response "
                "tokens cannot be found; choose another with --template alpaca or plain"
            )
        settled = after.rstrip()
        spans.append((len(before), len(settled)))
    answered = bool(messages) and messages[-1]["role"] == "assistant"
    whole = settled if answered else render(messages, False).rstrip()
    if not whole.startswith(settled):
        raise InputError(f"template {name!r} rewrites turns; use --template alpaca or plain")
    return whole, spans


def _added_bos(tokenizer: Any) -> str:
    """Return the beginning-of-text token if this tokenizer adds one by itself, else nothing."""
    ids = tokenizer("a")["input_ids"]
    return str(tokenizer.bos_token) if ids and ids[0] == tokenizer.bos_token_id else ""
