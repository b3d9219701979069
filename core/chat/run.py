"""`python -m core chat`: ask a fine-tune, what it began with, or both, from a terminal."""

from __future__ import annotations

from core.chat.answer import answer
from core.chat.settings import Sampling, Talk
from core.chat.speakers import Shelf, base_of, check_number, of, title
from core.errors import InputError
from core.settings import to_config
from core.workspace.store import Workspace

HOW = {
    "length": "at the longest answer",
    "next turn": "where it ran on to a next question",
    "stopped": "as it was stopped",
}
"""What is said of an answer that did not simply end."""


def run(workspace: Workspace, settings: Talk) -> str:
    """Return the answers, each under the name of who gave it.

    Raises:
        InputError: there is no such fine-tune, or too many are asked.
    """
    made = workspace.open(settings.id, "finetune")
    named = [o.strip() for o in settings.others.split(",") if o.strip()]
    keys = [made.id, *(base_of(made) if o == "base" else o for o in named)]
    check_number(keys)
    if not settings.prompt.strip():
        raise InputError("--prompt is empty; give a question")
    how = Sampling(**{k: v for k, v in to_config(settings).items() if k in to_config(Sampling())})
    talk = [{"role": "user", "content": settings.prompt}]
    shelf, out = Shelf(), []
    for key in keys:
        speaker = of(workspace, key)
        with shelf.take(speaker) as (model, tokenizer):
            said = answer(model, tokenizer, speaker.made.config["template"], talk, how)
        odd = f"\n[ended {HOW[said.ended]}]" if said.ended in HOW else ""
        out.append(f"{title(speaker)}:\n{said.text}{odd}")
    return "\n\n".join(out)
