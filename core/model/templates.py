"""From messages to the text a model sees: the model's own chat template, or one of two plain ones.

A template is a function from messages to text. Where the replies stand in that text is the work of
`core.model.spans`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from core.errors import InputError
from core.model.chat_template import chat
from core.model.conversation import Turn, tools_of
from core.model.marks import Inner, Marks, marks_of_chat, marks_of_plain
from core.model.rendering import Renderer, Tools, try_tools
from core.model.spans import render_spans as render_spans

TEMPLATES_VERSION = 2
"""Part of the token cache's key: raise it when a template here gives another text."""
ALPACA_INTRO = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
)
THINK, CALLS = "<think>\n{}\n</think>\n\n", "<tool_call>\n{}\n</tool_call>"
"""How the plain templates write reasoning and tool calls: as Qwen's and Hermes' templates do."""

REPLY_JINJA = (
    "{% if m['reasoning_content'] %}"
    "{{ '<think>\\n' + m['reasoning_content'] + '\\n</think>\\n\\n' }}{% endif %}"
    "{{ m['content'] }}"
    "{% for c in m['tool_calls'] or [] %}"
    "{% if m['content'] or not loop.first %}{{ '\\n' }}{% endif %}"
    "{{ '<tool_call>\\n' }}"
    "{{ {'name': c['function']['name'], 'arguments': c['function']['arguments']} | tojson }}"
    "{{ '\\n</tool_call>' }}{% endfor %}{{ eos_token }}"
)
PLAIN_JINJA = (
    "{% if tools %}Tools: {{ tools | tojson }}{{ '\\n' }}{% endif %}"
    "{% for m in messages %}"
    "{% if m['role'] == 'assistant' %}A:"
    + REPLY_JINJA
    + "{% elif m['role'] == 'user' %}Q: {{ m['content'] }}"
    "{% else %}{{ m['content'] }}{% endif %}{{ '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}A:{% endif %}"
)
"""The plain template as scratch models carry it, for any other tool that loads them."""
ALPACA_JINJA = (
    "{{ BOS }}"
    + ALPACA_INTRO.replace("\n", "{{ '\\n' }}")
    + "{% if tools %}Tools: {{ tools | tojson }}{{ '\\n\\n' }}{% endif %}"
    "{% for m in messages %}"
    "{% if m['role'] == 'assistant' %}### Response:"
    + REPLY_JINJA
    + "{% elif m['role'] == 'user' %}### Instruction:{{ '\\n' }}{{ m['content'] }}"
    "{% else %}{{ m['content'] }}{% endif %}{{ '\\n\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}### Response:{% endif %}"
)
"""The Alpaca template, for any other tool that loads what was trained with it."""


def _plain(bos: str, eos: str) -> Inner:
    def render(messages: list[Turn], opened: bool) -> str:
        text = bos + _offered(messages, "\n")
        for m in messages:
            if m["role"] == "assistant":
                # no space after the colon: it would join the answer's first token when
                # training, but stand alone before it when generating
                text += f"A:{reply_text(m)}{eos}\n"
            else:
                text += f"Q: {m['content']}\n" if m["role"] == "user" else f"{m['content']}\n"
        return text + ("A:" if opened else "")

    return render


def _alpaca(bos: str, eos: str) -> Inner:
    def render(messages: list[Turn], opened: bool) -> str:
        text = bos + ALPACA_INTRO + _offered(messages, "\n\n")
        for m in messages:
            if m["role"] == "assistant":
                text += f"### Response:{reply_text(m)}{eos}\n\n"
            elif m["role"] == "user":
                text += f"### Instruction:\n{m['content']}\n\n"
            else:
                text += f"{m['content']}\n\n"
        return text + ("### Response:" if opened else "")

    return render


def _offered(messages: list[Turn], end: str) -> str:
    tools = tools_of(messages)
    return f"Tools: {json.dumps(tools, ensure_ascii=False)}{end}" if tools else ""


def reply_text(turn: Turn) -> str:
    """Return a reply with its reasoning and its calls, as the plain templates write it."""
    thought = turn.get("reasoning_content")
    calls = []
    for call in turn.get("tool_calls") or []:
        about = call.get("function", call) if isinstance(call, dict) else call
        if isinstance(about, dict):
            about = {"name": about.get("name"), "arguments": about.get("arguments", {})}
        calls.append(CALLS.format(json.dumps(about, ensure_ascii=False)))
    said = "\n".join(part for part in (turn["content"], *calls) if part)
    return (THINK.format(thought) if thought else "") + said


def _chat(tokenizer: Any) -> Inner:
    def render(messages: list[Turn], opened: bool) -> str:
        return chat(tokenizer, messages, opened)

    return render


OURS: dict[str, Callable[[str, str], Inner]] = {"alpaca": _alpaca, "plain": _plain}
"""Of the texts that begin a conversation and end a reply."""
TEMPLATES = ("chat", *OURS)


def choose(name: str, tokenizer: Any, *, scratch: bool) -> str:
    """Resolve `auto`: plain for scratch models, else the model's chat template, else Alpaca.

    Raises:
        InputError: `chat` was asked of a tokenizer that has no chat template.
    """
    if name == "chat" and not tokenizer.chat_template:
        raise InputError(
            "this model has no chat template; use --template alpaca or plain", failure="no-template"
        )
    if name != "auto":
        return name
    return "plain" if scratch else "chat" if tokenizer.chat_template else "alpaca"


def with_template(tokenizer: Any, name: str) -> Any:
    """Return a tokenizer that carries the template its model was trained with.

    A copy, where it carried another or none: tools that load the model prompt it in this way.
    """
    jinja = {"plain": PLAIN_JINJA, "alpaca": ALPACA_JINJA}.get(name)
    if jinja is None:
        return tokenizer
    if name == "plain":
        jinja = "{{ BOS }}" + jinja
    jinja = jinja.replace("{{ BOS }}", "{{ bos_token }}" if _added_bos(tokenizer) else "")
    if tokenizer.chat_template == jinja:
        return tokenizer
    own = copy.deepcopy(tokenizer)
    own.chat_template = jinja
    return own


def renderer(name: str, tokenizer: Any) -> Renderer:
    """Return a template by name, for one tokenizer.

    Raises:
        InputError: the model's chat template fails even on a question and its answer.
    """
    if name != "chat":
        inner = OURS[name](_added_bos(tokenizer), tokenizer.eos_token or "")
        return Renderer(inner, marks_of_plain(tokenizer), Tools())
    inner = _chat(tokenizer)
    return Renderer(inner, marks_of_chat(tokenizer, inner), try_tools(inner))


def without_model(name: str, end: str) -> Renderer:
    """Return a template of ours where there is no tokenizer, but what ends a reply."""
    return Renderer(OURS[name]("", end), Marks((end,), ends=(end,)), Tools())


def _added_bos(tokenizer: Any) -> str:
    """Return the beginning-of-text token if this tokenizer adds one by itself, else nothing."""
    ids = tokenizer("a")["input_ids"]
    return str(tokenizer.bos_token) if ids and ids[0] == tokenizer.bos_token_id else ""
