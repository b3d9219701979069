"""Before a fine-tune: does it fit, how long does it take, what does it cost and write; its rows."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from core import jobs
from core.errors import InputError
from core.finetune import fit as trying
from core.finetune.fit import Fit, FitRun, Way
from core.finetune.forecast import Forecast, between
from core.finetune.preview import SelectionPreview, preview
from core.finetune.settings import Settings, resolve
from core.jobs.progress import duration
from core.model.chat_template import Refused
from core.settings import specs
from core.spec import Auto
from core.training.fit_disk import free
from core.training.fit_memory import gib
from dashboard.escape import plain
from dashboard.frame import access, forms, reader, state
from dashboard.frame.page_words import plain_words

PRICE = "finetune-fit:price"
ROWS = 3
"""Rows shown at once."""
OLD = 3600.0
"""Seconds after which a try is said to be old."""


@st.cache_resource
def _runs() -> dict[str, FitRun]:
    """Return the tries of this server, by folder: all who look at a form see the same."""
    return {}


def panel(settings: Settings, form: str) -> None:
    """Offer a try of the settings, show one under way, or what it has found; then the rows.

    Args:
        form: Prefix of the form's widgets, which a press changes.
    """
    try:
        settings = access.checked(settings)
        key = str(trying.folder_of(state.workspace(), settings))
    except InputError as e:
        st.error(plain_words(str(e)), icon=":material/error:")
        return
    run = _runs().get(key)
    fit = run.poll() if run else trying.find(state.workspace(), settings)
    if run is not None and fit is None:
        st.fragment(_under_way, run_every=1.0)(key)
    elif fit is None or fit.problem:
        if fit is not None:
            st.error(plain_words(fit.problem), icon=":material/error:")
        _ask(settings, key, "Try it: memory, time, disk")
        st.caption(
            "Loads the model and makes 3 real steps on the longest batch, in a process of its own "
            "that ends. Only the numbers are kept."
        )
    else:
        _show(fit, form)
        _ask(settings, key, "Try again")
    with st.expander("The rows as the model will read them", icon=":material/visibility:"):
        _rows(settings)


def _ask(settings: Settings, key: str, label: str) -> None:
    busy = any(job.state == "running" for job in jobs.active(state.workspace()))
    if st.button(label, icon=":material/speed:", key="finetune-fit:try", width="stretch"):
        try:
            _runs()[key] = FitRun(state.workspace(), settings)
        except (InputError, OSError) as e:
            st.error(plain_words(e), icon=":material/error:")
            return
        st.rerun()
    if busy:
        st.caption("A job is running here: times will be those of a busy machine.")


def _under_way(key: str) -> None:
    run = _runs().get(key)
    if run is None or run.poll() is not None:
        st.rerun(scope="app")
        return
    left, right = st.columns([4, 1.4], vertical_alignment="center")
    left.caption(f":material/hourglass_top: {plain(run.stage())}")
    right.button("Cancel", key="finetune-fit:cancel", on_click=_cancel, args=(key,))


def _cancel(key: str) -> None:
    if run := _runs().pop(key, None):
        run.kill()


def _show(fit: Fit, form: str) -> None:
    if fit.fits:
        again = ", layers computed again" if fit.measured["checkpointing"] else ""
        st.success(
            f"Fits: {plain(fit.memory())}. At most {fit.measured['budget']:,} tokens go "
            f"through the model at once{again}.",
            icon=":material/check_circle:",
        )
    else:
        st.error(f"Does not fit: {plain_words(fit.why)}.", icon=":material/error:")
        _ways(fit.ways, form)
    for sentence in fit.measured.get("left_out", ()):
        st.warning(plain_words(sentence), icon=":material/content_cut:")
    if fit.forecast is not None:
        _times(fit.forecast)
    _disk(fit)
    if time.time() - fit.at > OLD:
        st.caption(f"Tried {duration(time.time() - fit.at)} ago; other programs may run now.")


def _ways(ways: tuple[Way, ...], form: str) -> None:
    if not ways:
        st.caption("Nothing that was tried fits either: take a smaller model.")
    for i, way in enumerate(ways):
        st.button(
            f"Use {plain_words(way.sentence)}",
            key=f"finetune-fit:way:{i}",
            icon=":material/bolt:",
            on_click=_change,
            args=(way.changes, form),
            width="stretch",
        )


def _change(changes: dict[str, Any], form: str) -> None:
    """Let the form show the changed settings."""
    known = {s.name: s for s in specs(Settings)}
    forms.preset(form, {name: forms.typed(known[name], v) for name, v in changes.items()})


def _times(forecast: Forecast) -> None:
    st.metric("Time", plain(between(forecast.low, forecast.high)), help=plain(str(forecast)))
    if busy := forecast.busy():
        st.caption(f":material/speed: {plain(busy)}.")
    left, right = st.columns(2)
    left.metric("Tokens/s", f"{forecast.tokens_a_second():,.0f}")
    with right:
        price = _price()
    if price:
        low, high = forecast.price(price)
        st.caption(f"Costs {low:,.2f} to {high:,.2f} at {price:g} an hour.")
    longest = sorted(forecast.parts, key=lambda p: -p.middle)[:4]
    parts = " · ".join(f"{p.name} {between(p.low, p.high)}" for p in longest)
    st.caption(plain(parts))


def _price() -> float:
    """Ask what an hour of the machine costs; 0 where nothing or nonsense was typed."""
    spec = next(s for s in specs(Settings) if s.name == "price")
    text = st.text_input(
        "Price an hour",
        key=PRICE,
        persist_state="session",
        help="Of this machine, in any currency",
    )
    try:
        return float(spec.parse(text.strip() or "0"))
    except InputError as e:
        st.error(plain_words(str(e)))
        return 0.0


def _disk(fit: Fit) -> None:
    if "bytes_saved" not in fit.measured:
        return
    left = free(state.workspace().root)
    sentence = plain(f"Writes {fit.disk}; {gib(left)} free.")
    if fit.disk.total > left:
        st.error(f"{sentence} Free some space first.", icon=":material/hard_drive:")
    else:
        st.caption(f":material/hard_drive: {sentence}")


@st.cache_resource(max_entries=4, show_spinner="Rendering the rows as training will")
def _preview(selection: str, model: str, template: str, max_length: int | Auto) -> SelectionPreview:
    shown = Settings(selection=selection, model=model, template=template, max_length=max_length)
    return preview(state.workspace(), shown)


def _rows(settings: Settings) -> None:
    """Show some rows token by token, on demand: a selection may be large."""
    if not st.toggle("Show them", key="finetune-fit:rows"):
        st.caption("Trained tokens coloured, by this model's own tokenizer and template.")
        return
    s = resolve(settings)
    try:
        preview = _preview(s.selection, s.model, s.template, s.max_length)
    except InputError as e:
        st.warning(plain_words(str(e)), icon=":material/warning:")
        return
    st.caption(
        f"{plain(preview.facts())}. Each shade is a token: blue is trained, grey only read, struck "
        "through is cut."
    )
    rows = preview.read.selected
    if len(preview.cut) and st.toggle(f"Only the {len(preview.cut):,} cut", key="finetune-fit:cut"):
        rows = preview.cut
    pages = -(-len(rows) // ROWS)
    page = st.pagination(pages, key=f"finetune-fit:page:{len(rows)}") if pages > 1 else 1
    for row in rows[(page - 1) * ROWS : page * ROWS].tolist():
        st.text(f"row {row:,}")
        try:
            st.html(reader.coloured(preview.pieces(row)))
        except Refused as e:
            st.warning(plain_words(f"Not trained: {e}"), icon=":material/warning:")
