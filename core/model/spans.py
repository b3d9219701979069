"""Where the model's replies stand in the text that a template makes of a conversation.

Most templates only ever append: a reply begins where the text ends that opens the assistant's turn,
and ends where the text ends that has the reply as its last turn. Some write earlier turns otherwise
(Qwen3 leaves out earlier thoughts, Phi-3 ends every text with the end of text, DeepSeek opens a
turn with a mark that it does not keep): there a stand-in for the reply shows which part of the
whole text depends on it, and that part is trained on as it stands there. Only where the template
has taken a reply's thoughts away it is read, not trained on: it would teach not to think.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from core.model.chat_template import Refused
from core.model.conversation import Turn, is_trained, tools_of
from core.model.marks import Marks, common
from core.model.rendering import Render, Renderer

Span = tuple[int, int]
STAND_IN = "\ue000reply\ue001"
LONGEST_OPENING = 200
"""Characters by which the end of what comes before a reply is found again."""
UNASKED = "its first reply is only read: nothing was said before it"
REWRITTEN = "an earlier reply is only read: the template rewrites it without its reasoning"
THOUGHT = "the template leaves its reasoning out"
TOOLS = "the template leaves out which tools there are"
REMARKS = (UNASKED, REWRITTEN, THOUGHT, TOOLS)
"""What may be said of a row that is trained on nevertheless."""


class Rendered(NamedTuple):
    """A conversation as the model sees it."""

    text: str
    spans: list[Span]
    """Characters [start, end) of every trained reply: content and end-of-turn mark."""
    remarks: tuple[str, ...] = ()
    """Of REMARKS."""


def render_spans(render: Render, messages: Sequence[Turn], name: str) -> tuple[str, list[Span]]:
    """Return the whole text and the character span [start, end) of every trained reply.

    Raises:
        Refused: as `render_row`.
    """
    return render_row(render, messages, name)[:2]


def render_row(render: Render, messages: Sequence[Turn], name: str) -> Rendered:
    """Render a conversation and find its trained replies.

    A span holds the content and the end-of-turn mark, not the white space after it.

    Raises:
        Refused: the template cannot render it, or its replies cannot be told apart.
    """
    turns = list(messages)
    marks = render.marks if isinstance(render, Renderer) else Marks()
    whole = render(turns, False)
    remarks = _check_tools(render, turns, whole)
    text, spans = whole.rstrip(), list[Span]()
    for k, turn in enumerate(turns):
        if not is_trained(turn):
            continue
        before = _try(render, turns[:k], True)
        if before is None and k == 0:
            remarks.add(UNASKED)
            continue
        span = None if before is None else _span(render, turns, k, whole, before, marks)
        if span is None or (spans and span[0] < spans[-1][1]):
            remarks.add(REWRITTEN)
            continue
        if thought := _left_out(turn, whole[span[0] : span[1]], marks):
            if k < len(turns) - 1 and thought in (_try(render, turns[: k + 1]) or ""):
                remarks.add(REWRITTEN)
                continue
            remarks.add(THOUGHT)
        spans.append(span)
    if not spans and UNASKED in remarks:
        raise Refused("nothing was said before its only reply")
    if not spans and REWRITTEN in remarks:
        raise Refused(f"template {name!r} keeps none of its replies")
    if marks.stop:
        text, spans = _with_stop(text, spans, turns, marks)
    return Rendered(text, spans, tuple(sorted(remarks)))


def _left_out(turn: Turn, written: str, marks: Marks) -> str:
    """Return the thought of a reply, stripped, where its text does not hold it; "" else."""
    thought = turn.get("reasoning_content") or ""
    if not thought and "</think>" in turn["content"]:
        thought = turn["content"].partition("</think>")[0].rpartition("<think>")[2]
    thought = marks.harmless(thought.strip(), reply=True)
    return "" if thought in written else thought


def _span(
    render: Render, turns: list[Turn], k: int, whole: str, before: str, marks: Marks
) -> Span | None:
    """Return where reply k stands in the whole text; None where it cannot be found."""
    last = k == len(turns) - 1
    after = whole if last else _try(render, turns[: k + 1])
    if after is None:
        return _by_stand_in_alone(render, turns, k, whole, before, marks)
    if after.startswith(before) and whole.startswith(after.rstrip()):
        return len(before), len(after.rstrip())

    stand_in = _stand_in(turns[k])
    short = render([*turns[:k], stand_in], False)
    opens = _opens(before, after, short[: short.find(STAND_IN)])
    if opens is None:
        return None
    if last:
        return opens, len(whole.rstrip())
    first, end = _differing(after, short)
    a, b = _differing(whole, render([*turns[:k], stand_in, *turns[k + 1 :]], False))
    opening = after[len(common([_try(render, turns[:k]) or "", after])) : opens]
    head = after[opens:first]
    if whole[:a].endswith(opening + head):
        start = a - len(head)
    elif any(whole[:a].endswith(opening[:n]) for n in range(len(opening), 0, -1)) or not opening:
        start = a  # what the final reply begins with is missing here
    elif (place := whole.rfind(opening, 0, a)) >= 0:
        start = place + len(opening)
    else:
        return None
    return start, b + _tail(after[end:], whole[b:], marks)


def _opens(before: str, after: str, short: str) -> int | None:
    """Return where a reply begins that ends its text; None where it cannot be told.

    Args:
        before: The text that opens the assistant's turn.
        after: The text that ends with the reply.
        short: The text that ends with a stand-in for it, up to there.
    """
    if after.startswith(before):
        return len(before)
    same = common([before, short])
    if same.rstrip() in (before.rstrip(), short.rstrip()):
        return len(common([same, after]))
    # what comes before the turn is written otherwise once it is answered: find its end again
    for n in range(min(len(before), LONGEST_OPENING), 2, -1):
        place = short.rfind(before[-n:])
        if place >= 0 and after.startswith(short[: place + n]):
            return place + n
    return None


def _by_stand_in_alone(
    render: Render, turns: list[Turn], k: int, whole: str, before: str, marks: Marks
) -> Span | None:
    """Find a reply where the template takes no conversation that ends with it."""
    if not whole.startswith(before):
        return None
    other = render([*turns[:k], _stand_in(turns[k]), *turns[k + 1 :]], False)
    _, end = _differing(whole, other)
    return len(before), end + max((_reach(whole[end:], m) for m in marks.ends), default=0)


def _reach(tail: str, mark: str) -> int:
    """Return how far a tail goes that begins with a mark, white space aside; 0 if it does not."""
    kept = tail.lstrip()
    return len(tail) - len(kept) + len(mark) if kept.startswith(mark) else 0


def _tail(final: str, here: str, marks: Marks) -> int:
    """Return how much of what follows a reply ends it, as it does behind the final reply."""
    ends = [final.index(m) + len(m) for m in marks.ends if m in final]
    if ends:
        stop = final[: min(ends)]
        return len(stop) if here.startswith(stop) else 0
    return len(common([final, here]).rstrip())


def _with_stop(
    text: str, spans: list[Span], turns: list[Turn], marks: Marks
) -> tuple[str, list[Span]]:
    """Let replies end with the mark of the turn that follows, the last one with one put there."""
    out = []
    for start, end in spans:
        if end == len(text):
            text += marks.call_stop if turns[-1].get("tool_calls") else marks.stop
            end = len(text)
        else:
            end += max(_reach(text[end:], m) for m in (marks.stop, marks.call_stop))
        out.append((start, end))
    return text, out


def _stand_in(turn: Turn) -> Turn:
    """Return a turn like this one of which no character is the same."""
    out: Turn = {"role": "assistant", "content": STAND_IN}
    if calls := turn.get("tool_calls"):
        about = {"name": STAND_IN, "arguments": {STAND_IN: STAND_IN}}
        out["tool_calls"] = [
            {"id": _id(call), "type": "function", "function": about} for call in calls
        ]
    if "tools" in turn:
        out["tools"] = turn["tools"]
    return out


def _id(call: Any) -> str:
    return str(call.get("id", "")) if isinstance(call, dict) else ""


def _differing(text: str, other: str) -> Span:
    """Return the part of a text that differs from another, [start, end)."""
    start = len(common([text, other]))
    same = common([text[start:][::-1], other[start:][::-1]])
    return start, len(text) - len(same)


def _try(render: Render, turns: list[Turn], opened: bool = False) -> str | None:
    try:
        return render(turns, opened)
    except Refused:
        return None


def _check_tools(render: Render, turns: list[Turn], whole: str) -> set[str]:
    """Return what is to be said of a row with tools.

    Raises:
        Refused: the text leaves tool calls or tool results out.
    """
    if not isinstance(render, Renderer):
        return set()
    for turn in turns:
        if turn["role"] == "tool" and not render.tools.results and turn["content"].strip():
            raise Refused("the template leaves tool results out")
        for call in turn.get("tool_calls") or []:
            name = str((call.get("function") or call).get("name"))
            if render.marks.harmless(name, reply=True) not in whole:
                raise Refused("the template leaves tool calls out")
    return {TOOLS} if tools_of(turns) and not render.tools.offered else set()
