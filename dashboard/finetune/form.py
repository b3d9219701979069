"""The form of a fine-tune: a model, a preset that fills the rest, what differs from it.

Fields that still have their preset's value follow when model, method or preset change.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import streamlit as st

from core import finetune
from core.errors import InputError
from core.finetune.presets import PAPER_VALUES, PRESETS
from core.selection.artifact import SelectionSummary
from core.settings import specs
from core.workspace.artifact import Artifact
from dashboard.escape import plain
from dashboard.finetune import methods, test_set
from dashboard.frame import forms, models
from dashboard.frame.page_words import plain_words
from dashboard.frame.titles import settle

TYPED = "Choose, or type a hub id or a folder below the allowed ones"
FORM = "finetune"
PRESET = f"{FORM}-preset"
FILLED = f"{FORM}:filled"
"""In the session: setting -> value that preset, model and method gave it."""
OWN = ("selection", "model", "method", "eval", "name", "seed", "preset", "resume")
"""Settings that no preset fills."""
GROUPS = {
    "Batch and length": ("batch", "max_length", "gradient_checkpointing", "packing", "precision"),
    "Optimizer": ("lr", "warmup", "weight_decay", "clip", "neftune"),
    "LoRA": ("lora", "rslora"),
    "Evaluation": (
        *("decode", "answer", "eval_", "patience", "tests"),
        *("all_items", "encoder", "second"),
    ),
    "Saving": ("keep", "save", "checkpoints"),
    "Reporting": ("report", "track", "tensorboard", "wandb", "mlflow"),
    "Other": ("",),
}
"""Title of a closed group -> how the names of its settings begin, or end after an underscore."""
SPECS = {s.name: s for s in specs(finetune.Settings)}


def draw(selection: Artifact) -> tuple[finetune.Settings | None, test_set.ChosenTest]:
    """Draw the form; return the settings, None where one is wrong, and the test set."""
    values: dict[str, Any] = {"selection": selection.id}
    problems: list[str] = []
    settle(f"{FORM}:model")
    filled = _fill()
    dataset = selection.ancestor("dataset")

    def ask(name: str, pick: Any = None) -> None:
        try:
            values[name] = pick() if pick else _field(name, filled)
        except InputError as e:
            problems.append(str(e))

    ask("model", lambda: models.pick(SPECS["model"], f"{FORM}:model", TYPED))
    st.caption(models.facts(values.get("model", ""), selection))
    ask("method", lambda: methods.pick(SPECS["method"], f"{FORM}:method"))
    st.segmented_control(
        "Preset",
        list(PRESETS),
        default="balanced",
        required=True,
        format_func=lambda name: PRESETS[name].title,
        key=PRESET,
        persist_state="session",
        on_change=_refill,
        help="Fills every field below for this model and method",
        width="content",
    )
    st.caption(PRESETS[_preset()].sentence)
    changed = st.container(horizontal=True, gap="xxsmall", vertical_alignment="center")
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        ask("epochs")
    with right:
        ask("steps")
    length = st.container()
    ask("eval", lambda: test_set.pick(SPECS["eval"], f"{FORM}:eval", dataset))
    tested = test_set.ChosenTest(None, "")
    if "eval" in values:
        tested = test_set.about(values["eval"], dataset, selection, f"{FORM}:eval")
    for title, names in _groups(values.get("method", "full")).items():
        differs = [n for n in names if n in filled and _differs(n, filled)]
        label = f"{title} · {len(differs):,} changed" if differs else title
        with st.expander(label, key=f"{FORM}-group:{title}"):
            for name in names:
                ask(name)
    _back(changed, filled)
    if not problems:
        try:
            settings = finetune.Settings(**values)
            with length:
                st.caption(_length(settings, selection))
            return settings, tested
        except InputError as e:
            problems.append(str(e))
    st.error(plain_words("; ".join(problems)), icon=":material/error:")
    return None, tested


def summary(settings: finetune.Settings, tested: test_set.ChosenTest) -> str:
    """Say what the values amount to that only name a rule."""
    s = settings
    lr = finetune.default_lr(s.model, s.method) if s.lr == "auto" else float(s.lr)
    answers = "none"
    if s.all_items:
        answers = "all" if tested.rows is None else f"all {tested.rows:,}"
    elif s.decode and tested.rows is None:
        answers = f"{s.decode:,} at most"
    elif s.decode:
        answers = f"{min(s.decode, tested.rows or 0):,} of {tested.rows:,}"
    return f"Learning rate: {lr:g} · Answers to grade: {answers}"


def load(settings: finetune.Settings) -> None:
    """Let the form show settings; call it before the form is drawn."""
    s = finetune.resolve(settings)
    shown = {n: forms.typed(SPECS[n], getattr(s, n)) for n in SPECS if not SPECS[n].hidden}
    shown.pop("preset")
    forms.preset(FORM, shown)
    st.session_state[FILLED] = _values_of(_preset(), s.model, s.method)


def _preset() -> str:
    return str(st.session_state.get(PRESET) or "balanced")


def _values_of(preset: str, model: str, method: str) -> dict[str, Any]:
    """Return the value of every setting that presets fill."""
    given = PRESETS[preset].values(model, method)
    return {n: given.get(n, s.default) for n, s in SPECS.items() if n not in OWN}


def _fill() -> dict[str, Any]:
    """Let untouched fields follow preset, model and method; return what these give."""
    model = str(st.session_state.get(f"{FORM}:model") or SPECS["model"].default)
    method = str(st.session_state.get(f"{FORM}:method") or SPECS["method"].default)
    now = _values_of(_preset(), model, method)
    before = st.session_state.get(FILLED) or {n: SPECS[n].default for n in now}
    for name, value in now.items():
        old = before.get(name, SPECS[name].default)
        held = st.session_state.get(f"{FORM}:{name}")
        if value != old and held in (None, forms.typed(SPECS[name], old)):
            st.session_state[f"{FORM}:{name}"] = forms.typed(SPECS[name], value)
    st.session_state[FILLED] = now
    return now


def _refill() -> None:
    """Give every field the value of the preset that was just chosen."""
    st.session_state.pop(FILLED, None)
    for name in SPECS:
        if name not in OWN:
            st.session_state.pop(f"{FORM}:{name}", None)


def _differs(name: str, filled: dict[str, Any]) -> bool:
    spec, key = SPECS[name], f"{FORM}:{name}"
    held = st.session_state.get(key)
    drawn = held is not None or (bool(spec.zero) and key in st.session_state)
    return drawn and held != forms.typed(spec, filled[name])


def _field(name: str, filled: dict[str, Any]) -> Any:
    spec = SPECS[name]
    help = spec.help
    if name in PAPER_VALUES:
        help += f". In the paper: {PAPER_VALUES[name]}"
    return forms.field(dataclasses.replace(spec, help=help), f"{FORM}:{name}")


def _back(place: Any, filled: dict[str, Any]) -> None:
    """Name what differs from the preset, each with the way back."""
    differs = [n for n in filled if _differs(n, filled)]
    if not differs:
        return
    title = PRESETS[_preset()].title
    place.caption(f"Changed from {title}:", width="content")
    for name in differs:
        place.button(
            f":orange-badge[{plain(SPECS[name].label)}: {plain(_change(name, filled[name]))}]",
            key=f"{FORM}-back:{name}",
            icon=":material/undo:",
            type="tertiary",
            help=f"Back to the value of {title}",
            on_click=_reset,
            args=(name, filled[name]),
        )


def _change(name: str, before: Any) -> str:
    """Say the value that is chosen, and the preset's."""
    zero, held = SPECS[name].zero, st.session_state[f"{FORM}:{name}"]
    return f"{_shown(held or zero or held)} instead of {_shown(before or zero or before)}"


def _shown(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value}"


def _reset(name: str, value: Any) -> None:
    st.session_state[f"{FORM}:{name}"] = forms.typed(SPECS[name], value)


def _groups(method: str) -> dict[str, list[str]]:
    """Return title -> settings, each in the first group that its name fits."""
    placed: dict[str, list[str]] = {title: [] for title in GROUPS}
    for name, spec in SPECS.items():
        if spec.hidden or name in ("model", "method", "eval", "preset", "epochs", "steps"):
            continue
        title = next(t for t, starts in GROUPS.items() if _fits(name, starts))
        placed[title].append(name)
    if method == "full":
        placed.pop("LoRA")
    return {title: names for title, names in placed.items() if names}


def _fits(name: str, starts: tuple[str, ...]) -> bool:
    return name.startswith(starts) or any(name.endswith(f"_{s}") for s in starts if s)


def _length(settings: finetune.Settings, selection: Artifact) -> str:
    """Say how long the run is, in epochs and in steps."""
    rows = selection.summary_as(SelectionSummary)["rows"]
    steps = finetune.steps_of(settings, rows)
    per_epoch = -(-rows // settings.batch_size)
    epochs = steps / per_epoch
    text = (
        f"Length: {epochs:.3g} epochs = {steps:,} steps of {min(rows, settings.batch_size):,} rows"
    )
    if epochs > 20:
        text += f". :orange[Every row is seen {epochs:,.0f} times:] fewer steps say as much"
    return text
