"""Conversations written as one text, each turn behind a mark that says who speaks."""

from __future__ import annotations

import re

from core.dataset.roles import role_of
from core.model.conversation import Turn

STYLES = [
    re.compile(r"<\|im_start\|>\s*(\w+)\s*?\n"),
    re.compile(r"<\|start_header_id\|>\s*(\w+)\s*<\|end_header_id\|>"),
    re.compile(r"<start_of_turn>(\w+)\s*?\n"),
    re.compile(r"<\|(system|user|assistant|human|bot|gpt|model|prompter)\|>"),
    re.compile(r"#{2,3} ?(Human|User|Assistant|System|Instruction|Input|Response|AI|Bot|GPT) ?:"),
    re.compile(r"(?:\A|\n)\s*(Human|Assistant|System|AI) ?:"),
    re.compile(r"(?:\A|\s)(USER|ASSISTANT|SYSTEM|FUNCTION RESPONSE) ?:"),
]
"""Marks, by whom the text before the next one is; the first style that fits is taken."""
LLAMA = re.compile(r"\[INST\](.*?)\[/INST\](.*?)(?=\[INST\]|\Z)", re.DOTALL)
LLAMA_SYSTEM = re.compile(r"\s*<<SYS>>(.*?)<</SYS>>", re.DOTALL)
MARK = (
    r"(?:\s*(?:<\|im_end\|>|<\|eot_id\|>|<end_of_turn>|<\|endoftext\|>|<\|end\|>|</s>|<s>"
    r"|<\|begin_of_text\|>|<\|end_of_text\|>|<bos>|<eos>))+\s*"
)
ENDS = re.compile(rf"\A{MARK}|{MARK}\Z")
"""Marks of templates that begin or end a text or a turn: the model that is trained has its own."""


def turns(text: str) -> list[Turn]:
    """Split a text at its marks; none where it has not both a question and a reply."""
    talk = _llama(text) or next(filter(_has_both, (_split(style, text) for style in STYLES)), [])
    return talk if _has_both(talk) else []


def _split(style: re.Pattern[str], text: str) -> list[Turn]:
    """Return the turns that the marks of one style give; what stands before the first is system."""
    before, *rest = style.split(text)
    said: list[Turn] = []
    preamble = _plain(before)
    for mark, part in zip(rest[::2], rest[1::2], strict=True):
        role, content = role_of(mark), _plain(part)
        if role is None:
            return []
        if mark.lower() == "input" and said and said[-1]["role"] == "user":
            said[-1]["content"] += f"\n\n{content}" if content else ""
        else:
            said.append({"role": role, "content": content})
    if said and said[-1]["role"] == "user" and not said[-1]["content"]:
        said.pop()  # a mark after the last reply, for the next question
    return [{"role": "system", "content": preamble}, *said] if preamble and said else said


def _llama(text: str) -> list[Turn]:
    said: list[Turn] = []
    for asked, reply in LLAMA.findall(text):
        if system := LLAMA_SYSTEM.match(asked):
            said.append({"role": "system", "content": system[1].strip()})
            asked = asked[system.end() :]
        said.append({"role": "user", "content": _plain(asked)})
        said.append({"role": "assistant", "content": _plain(reply)})
    return said


def _plain(text: str) -> str:
    return ENDS.sub("", text.strip()) if "<" in text else text.strip()


def _has_both(talk: list[Turn]) -> bool:
    roles = {turn["role"] for turn in talk}
    return {"user", "assistant"} <= roles
