"""A template made to take the data's conversations as they are.

Special tokens in people's texts are made harmless, the end mark that a reply has already is taken
off, and tool calls are given in the form that the template takes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

from core.model.chat_template import Refused
from core.model.conversation import Turn
from core.model.marks import ANSWER, CALL, QUESTION, RESULT, Inner, Marks, tool_talk

Render = Callable[[list[Turn], bool], str]
"""(messages, whether to open the assistant's next turn) -> text."""


@dataclasses.dataclass(frozen=True)
class Tools:
    """How a template takes tool calls, found by trying."""

    calls: bool = True
    """Whether it writes them at all."""
    results: bool = True
    """Whether it writes tool turns."""
    offered: bool = True
    """Whether it writes which tools there are."""
    as_text: bool = False
    """Whether it wants the arguments of a call as JSON text; most want an object."""
    empty: str | None = ""
    """The content that it wants of a turn that only calls."""


@dataclasses.dataclass(frozen=True)
class Renderer:
    """A template that takes the data's conversations as they are."""

    inner: Inner
    marks: Marks
    tools: Tools

    def __call__(self, messages: Sequence[Turn], opened: bool) -> str:
        """Render a conversation, with special tokens inside people's texts made harmless.

        Raises:
            Refused: the template cannot render it, or would leave tool calls or results out.
        """
        return self.inner([self._written(m) for m in messages], opened)

    def _written(self, turn: Turn) -> Turn:
        reply = turn["role"] == "assistant"
        content = self.marks.without_end(turn["content"]) if reply else turn["content"]
        out: Turn = {
            "role": turn["role"],
            "content": self.marks.harmless(content, reply=reply),
        }
        if len(turn) == 2:
            return out
        for key in ("reasoning_content", "tool_call_id", "name", "tools"):
            if turn.get(key) is not None:
                out[key] = self.marks.everywhere(turn[key], reply=reply)
        if turn.get("tool_calls"):
            if not self.tools.calls:
                raise Refused("the template does not write tool calls")
            out["tool_calls"] = [
                self._call(self.marks.everywhere(call, reply=True)) for call in turn["tool_calls"]
            ]
            out["content"] = out["content"] or self.tools.empty
        return out

    def _call(self, call: Any) -> dict[str, Any]:
        """Return a call as OpenAI writes it, its arguments in the form that the template takes."""
        about = call.get("function", call) if isinstance(call, dict) else {}
        if not isinstance(about, dict) or not isinstance(about.get("name"), str):
            raise Refused("a tool call without the name of its function")
        arguments = about.get("arguments", {})
        if isinstance(arguments, str):
            with contextlib.suppress(ValueError):  # not JSON: the text as it is
                arguments = json.loads(arguments)
        if self.tools.as_text and not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        whole = call if "function" in call else {}
        return {"type": "function", **whole, "function": {**about, "arguments": arguments}}


def try_tools(inner: Inner) -> Tools:
    """Find the form of a tool call that the template writes as JSON or in its own marks."""
    offered = "look_up" in _try(inner, tool_talk()[:1])
    for as_text in (False, True):
        for empty in ("", None):
            text = _try(inner, tool_talk(as_text=as_text, empty=empty))
            call = text.partition(QUESTION)[2].partition(ANSWER)[0]
            odd = ("'key'", '\\"key\\"', "None")  # Python's way, or a text in a text
            if "look_up" in call and CALL in call and not any(o in call for o in odd):
                return Tools(True, RESULT in call, offered, as_text, empty)
    asked = [tool_talk()[0], {"role": "tool", "content": RESULT}]
    return Tools(False, RESULT in _try(inner, asked), offered)


def _try(inner: Inner, messages: list[Turn]) -> str:
    try:
        return inner(messages, False)
    except Refused:
        return ""
