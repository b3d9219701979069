"""Pages run for real, without a browser: Streamlit's AppTest on a small real workspace."""

import html
import pathlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.jobs.record import Job
from dashboard import escape

MAIN = pathlib.Path(__file__).parents[2] / "dashboard" / "main.py"
Open = Callable[..., AppTest]


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Return a function that opens a page of a workspace, as a new browser would."""

    def open_page(root: pathlib.Path, page: str, **ids: str) -> AppTest:
        monkeypatch.setenv("S2L_WORKSPACE", str(root))
        at = AppTest.from_file(str(MAIN), default_timeout=60).run()
        if page != "overview":
            at.switch_page(f"../pages/{page}.py")
            for kind, id in ids.items():
                at.query_params[kind] = id
            at.run()
        return at

    return open_page


def go(at: AppTest, page: str) -> AppTest:
    """Switch to another page, as a click in the sidebar does: the address is bare."""
    at.switch_page(f"../pages/{page}.py")
    at.query_params.clear()
    return at.run()


def words(at: AppTest) -> str:
    """Return every text the page shows, markdown escapes taken out."""
    parts: list[Any] = []
    kinds = ("header", "subheader", "markdown", "caption", "text", "code", "error", "warning")
    for kind in (*kinds, "info", "success", "exception"):
        parts += [e.value for e in at.get(kind)]
    parts += [f"{m.label}: {m.value}" for m in at.metric]
    parts += [in_html(e.proto.body) for e in at.get("html")]
    parts += [block.proto.popover.label for block in at.get("popover")]
    parts += [e.proto.text for e in at.get("progress")]
    return unescaped("\n".join(map(str, parts)))


def unescaped(markdown: str) -> str:
    """Return what `dashboard.escape.plain` was given."""
    return re.sub(r"\\([\W_])", r"\1", markdown.replace(escape.BREAK, ""))


def in_html(body: str) -> str:
    """Return the text of HTML as a person sees it."""
    return html.unescape(re.sub(r"<[^>]*>", " ", body))


def press(at: AppTest, label: str) -> AppTest:
    """Press the button that begins with this label."""
    return button(at, label).click().run()


def typed(at: AppTest, key: str, text: object) -> AppTest:
    """Type what is not in the list into a list that takes new options."""
    box = at.selectbox(key=key)
    box.options.append(str(text))  # else AppTest looks for it in vain
    return box.set_value(str(text)).run()


def button(at: AppTest, label: str) -> Any:
    found = [b for b in at.button if b.label.startswith(label)]
    assert len(found) == 1, f"{label!r} among {[b.label for b in at.button]}"
    return found[0]


def has_button(at: AppTest, label: str) -> bool:
    return any(b.label.startswith(label) for b in at.button)


def fine(at: AppTest) -> AppTest:
    """Check that the page raised nothing and shows no error."""
    assert not at.exception, at.exception[0].value
    assert not at.error, at.error[0].value
    return at


def flags(job: Job) -> list[str]:
    """Return a job's noun and flags, without interpreter and workspace."""
    argv = list(job.argv)
    return argv[argv.index("core") + 1 : argv.index("--workspace")]
