"""The template that a tokenizer carries, run in transformers' sandbox: a stranger's code.

Three things differ from `apply_chat_template`: the date is always the same, so that a row has the
same tokens on any day; a template that does not end, or fills the memory, is stopped; and
whatever goes wrong inside it is one sentence about one conversation.
"""

from __future__ import annotations

import datetime
import functools
import operator
from collections.abc import Sequence
from typing import Any

from core.errors import InputError, one_line
from core.jobs.bounds import bounded
from core.model.conversation import EXTRAS, Turn, tools_of

TODAY = datetime.date(2024, 7, 26)
"""What a template that asks for the date is told; the day that Llama's templates fall back to."""
LONGEST = 20_000_000
"""Characters that a text inside a template may have."""
VISIBLE = ("role", "content", *(key for key in EXTRAS if key not in ("train", "tools")))


class Refused(InputError):
    """A template cannot render this one conversation, or its replies cannot be found in it."""


def asks_for_date(source: str) -> bool:
    """Return whether a template writes today's date."""
    return "strftime_now" in source


def sources(tokenizer: Any) -> str:
    """Return the text of a tokenizer's template, of all where it has several."""
    templates = tokenizer.chat_template
    return "\n".join(templates.values()) if isinstance(templates, dict) else templates or ""


def chat(tokenizer: Any, messages: Sequence[Turn], opened: bool) -> str:
    """Render a conversation.

    Args:
        tokenizer: Has a chat template.
        messages: The turns; tools stand on the first.
        opened: Whether to open the assistant's next turn.

    Raises:
        Refused: the template cannot render it.
        InputError: the template is no template, does not end, or fills the memory.
    """
    if not messages:
        raise Refused("nothing was said before its first reply")
    tools = tools_of(messages)
    template = _compiled(tokenizer.get_chat_template(tools=tools))
    turns = [{k: t[k] for k in VISIBLE if k in t} for t in messages]
    for turn in turns:
        if "reasoning_content" in turn:
            turn["thinking"] = turn["reasoning_content"]  # as gpt-oss calls it
    try:
        with bounded():
            text = str(
                template.render(
                    messages=turns,
                    tools=tools,
                    documents=None,
                    add_generation_prompt=opened,
                    **tokenizer.special_tokens_map,
                )
            )
    except InputError:
        raise
    except Exception as e:  # a template is a program: it can fail in any way
        reason = " ".join(str(e).split()) or type(e).__name__
        raise Refused(f"the template refuses it: {reason[:160]}") from e
    if len(text) > LONGEST:
        raise Refused(f"the template makes a text of {len(text):,} characters of it")
    return text


@functools.lru_cache(maxsize=32)
def _compiled(source: str) -> Any:
    """Compile a template as transformers does, with a fixed date and bounded products.

    Raises:
        InputError: it is no template.
    """
    import jinja2
    from transformers.utils.chat_template_utils import _compile_jinja_template

    try:
        # not of the source itself: constants are computed as it is compiled
        sandbox = _compile_jinja_template("").environment.overlay()
        sandbox.intercepted_binops = frozenset(("*", "**"))
        sandbox.call_binop = _product
        with bounded():  # what is constant is computed now
            return sandbox.from_string(source, globals={"strftime_now": TODAY.strftime})
    except jinja2.TemplateError as e:
        raise InputError(
            f"the model's chat template cannot be read ({one_line(e)}); "
            "use --template alpaca or plain"
        ) from e


def _product(context: Any, sign: str, left: Any, right: Any) -> Any:
    """Multiply or raise to a power, but not to something that takes for ever to compute."""
    if sign == "**":
        if abs(right) > 64:
            raise OverflowError(f"a power of {right} in the template")
        return left**right
    for text, times in ((left, right), (right, left)):
        many = isinstance(text, str | list | tuple) and isinstance(times, int)
        if many and len(text) * times > LONGEST:
            raise OverflowError("the template repeats a text without end")
    return operator.mul(left, right)
