"""Who is at work: a viewer looks, an editor starts, changes, exports and deletes, too.

The functions that do such things ask here, whoever calls them, so no page can forget to. Whoever
has a terminal may do what the system lets them: the command line is an editor's. A program that
serves several people (the dashboard, where sign-in is set up) says with `known_by` who is asking.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Literal, NamedTuple, ParamSpec, TypeVar

from core.errors import InputError

Role = Literal["viewer", "editor"]
USER = "S2L_USER"
"""In the environment of a worker: who asked for its job. Artifacts carry the name."""
P = ParamSpec("P")
R = TypeVar("R")


class Person(NamedTuple):
    """Who asks for something."""

    name: str
    """As jobs, edits and manifests carry it; empty where nobody signs in."""
    role: Role


class NotAllowed(InputError):
    """A viewer asked for what is an editor's."""


def of_environment() -> Person:
    """Return the user of a terminal, or of the job that this process works at."""
    return Person(os.environ.get(USER, ""), "editor")


_ask: list[Callable[[], Person]] = [of_environment]


def known_by(ask: Callable[[], Person]) -> None:
    """Let a function say who is asking, in the thread in which it is called."""
    _ask[:] = [ask]


def person() -> Person:
    """Return who is asking."""
    return _ask[0]()


def require_editor(what: str) -> None:
    """Refuse a viewer.

    Args:
        what: What is asked for, as it follows "may": "start work".

    Raises:
        NotAllowed: a viewer asks.
    """
    name, role = person()
    if role != "editor":
        raise NotAllowed(
            f"{name or 'Nobody signed in'} may look at everything here, but only an editor may "
            f"{what}; whoever runs this server gives the roles"
        )


def editors(what: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Guard a function: it refuses a viewer before it does anything."""

    def guard(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            require_editor(what)
            return function(*args, **kwargs)

        guarded.for_editors = what  # type: ignore[attr-defined]
        return guarded

    return guard
