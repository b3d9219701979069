"""Settings as widgets: one declaration in core gives the flag and the field here."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import streamlit as st

from core.errors import InputError
from core.settings import specs
from core.spec import Spec, listed
from dashboard.escape import plain
from dashboard.frame import access, models
from dashboard.frame.page_words import plain_words

T = TypeVar("T")


Ask = Callable[[Spec, str], Any]
"""Draws a setting with a key for its widget, and returns its value."""


def form(
    cls: type[T],
    key: str,
    *,
    fixed: dict[str, Any],
    leave_out: tuple[str, ...] = (),
    tucked: tuple[str, ...] = (),
    asked: Mapping[str, Ask] | None = None,
) -> T | None:
    """Draw a settings dataclass and return it, or show what is wrong and return None.

    Values survive page changes. Settings marked advanced stand under "More settings".

    Args:
        key: Prefix of the widget keys.
        fixed: Values that the page knows and does not ask for.
        leave_out: Settings that keep their default here.
        tucked: Settings that stand under "More settings" here, too.
        asked: Setting -> what draws it and returns its value, where that is not a usual field.
    """
    values = dict(fixed)
    shown = [s for s in specs(cls) if s.name not in fixed and s.name not in leave_out]
    more = [s for s in shown if not s.hidden and (s.advanced or s.name in tucked)]
    first = [s for s in shown if not s.hidden and s not in more]
    problems: list[str] = []

    def collect(spec: Spec) -> None:
        draw = (asked or {}).get(spec.name, field)
        try:
            values[spec.name] = draw(spec, f"{key}:{spec.name}")
        except InputError as e:
            problems.append(str(e))

    for spec in first:
        collect(spec)
    if more:
        with st.expander("More settings", icon=":material/tune:"):
            for spec in more:
                collect(spec)
    if not problems:
        try:
            return cls(**values)
        except InputError as e:
            problems.append(str(e))
    st.error(plain_words("; ".join(dict.fromkeys(problems))), icon=":material/error:")
    return None


def kept(cls: type[T], key: str, *, fixed: dict[str, Any]) -> T:
    """Return the settings as a form of another page stands, without drawing it.

    What is not set there, or wrongly, has its default.
    """
    values = dict(fixed)
    for spec in specs(cls):
        held = st.session_state.get(f"{key}:{spec.name}")
        if held is None or spec.name in fixed:
            continue
        if isinstance(held, list):
            held = ",".join(held)
        with contextlib.suppress(InputError):
            values[spec.name] = spec.parse(held.strip()) if isinstance(held, str) else held
    try:
        return cls(**values)
    except InputError:
        return cls(**fixed)


def preset(key: str, values: dict[str, Any]) -> None:
    """Set the widgets of a form; call it from a callback, before they are drawn."""
    for name, value in values.items():
        st.session_state[f"{key}:{name}"] = value


def _held(key: str) -> list[str]:
    """Return what the widget of a list holds, before it is drawn."""
    held = st.session_state.get(key)
    return [str(part) for part in held] if isinstance(held, list) else []


def typed(spec: Spec, value: Any) -> Any:
    """Return a setting's value as its widget holds it: what is typed is text."""
    if spec.members:
        return listed(str(value or ""))
    if spec.zero:
        return value or None
    as_it_is = spec.choices or spec.kind is bool or (spec.kind is int and not spec.auto)
    return value if as_it_is else f"{value}"


def field(spec: Spec, key: str) -> Any:
    """Draw one setting and return its value.

    Raises:
        InputError: what was typed is not a value of the setting, or names what a page may not.
    """
    value = _widget(spec, key)
    return access.check(spec.names, value) if spec.names and value != spec.default else value


def _widget(spec: Spec, key: str) -> Any:
    common: dict[str, Any] = {"key": key, "help": _sentence(spec), "persist_state": "session"}
    default = None if spec.default is dataclasses.MISSING else spec.default
    if spec.choices:
        words = list(spec.choices)
        index = words.index(default) if default in words else 0
        return st.selectbox(spec.label, words, index=index, format_func=spec.called, **common)
    if spec.members:
        several = st.multiselect(
            spec.label,
            list(dict.fromkeys([*spec.members, *listed(str(default or "")), *_held(key)])),
            default=listed(str(default or "")),
            accept_new_options=True,
            placeholder="Choose, or type another",
            **common,
        )
        return spec.parse(",".join(several))
    if spec.suggestions and spec.names == "model":
        return models.pick(spec, key, _sentence(spec))
    if spec.suggestions:
        options = list(dict.fromkeys([*spec.suggestions, st.session_state.get(key) or default]))
        index = options.index(default) if default in options else 0  # the same in every run: a
        # browser that first draws a later run shows what stands there, whatever the value is
        chosen = st.selectbox(spec.label, options, index=index, accept_new_options=True, **common)
        return spec.parse(str(chosen or ""))
    if spec.kind is bool and spec.auto:
        choices: dict[Any, str] = {"auto": "auto", True: "yes", False: "no"}
        index, said = list(choices).index(default), choices.__getitem__
        return st.selectbox(spec.label, list(choices), index=index, format_func=said, **common)
    if spec.kind is bool:
        return st.toggle(spec.label, value=bool(default), **common)
    if spec.kind is int and not spec.auto:
        low = int(spec.minimum) if spec.minimum is not None else None
        high = int(spec.maximum) if spec.maximum is not None else None
        first = typed(spec, int(default or 0))
        common["placeholder"] = spec.zero or None
        return int(st.number_input(spec.label, low, high, first, step=1, **common) or 0)
    text = st.text_input(spec.label, "" if default is None else f"{default}", **common)
    return spec.parse(text.strip())


def _sentence(spec: Spec) -> str:
    """Return a setting's help as a widget shows it: `scratch:small` has a directive in markdown."""
    return plain(spec.help[:1].upper() + spec.help[1:])
