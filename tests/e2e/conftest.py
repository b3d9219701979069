"""A real server and a real browser; skipped where there is no Chromium."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = pathlib.Path(__file__).parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
)
OWN = re.compile(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:")
REFUSED = "Content Security Policy"
"""What a browser writes of something that a page may not do."""
TITLES = {
    "": "S2L Studio",
    "dataset": "Dataset",
    "trajectories": "Trajectories",
    "clusters": "Clusters",
    "selection": "Selection",
    "finetune": "Fine-tune",
    "study": "Study",
}
PATIENCE = 60_000  # milliseconds for anything the server draws; a busy machine is slow

expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try a lost gesture once more; the summary lists what was tried again."""
    for item in items:
        if pathlib.Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def until(answers: Callable[[], object], process: subprocess.Popen, seconds: float = 90) -> None:
    """Wait until a process answers; RuntimeError where it ends, or never does."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answers()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("no server") from None
            time.sleep(0.2)


class Server:
    """`streamlit run` on a port of its own; it can be killed and started again."""

    def __init__(
        self,
        workspace: pathlib.Path,
        log: pathlib.Path,
        *,
        port: int = 0,
        flags: Sequence[str] = (),
        **environment: str,
    ) -> None:
        self.workspace = workspace
        self._log, self._flags, self._environment = log, flags, environment
        self.port = port or free_port()
        self.start()

    def start(self) -> None:
        argv = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", *self._flags]
        own = {"S2L_WORKSPACE": str(self.workspace), **self._environment}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*argv, f"--server.port={self.port}", "--server.headless=true"],
                cwd=ROOT,
                env={**os.environ, **own},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            until(lambda: urllib.request.urlopen(self.url("/_stcore/health")), self.process)
        except RuntimeError:
            self.kill()
            raise RuntimeError(f"no server:\n{self._log.read_text()[-3000:]}") from None

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a browser; it ends with its file, as a test behind it may want an event loop."""
    if not CHROMIUM:
        pytest.skip("no Chromium: put one on PATH or name it in $CHROMIUM")
    with sync_playwright() as p:
        found = p.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield found
        found.close()


@pytest.fixture
def serve(browser: Browser, tmp_path: pathlib.Path) -> Iterator[Callable[[pathlib.Path], Server]]:
    """Return a function that starts a server on a workspace."""
    started: list[Server] = []

    def start(workspace: pathlib.Path) -> Server:
        started.append(Server(workspace, tmp_path / "server.log"))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a browser of its own at an address."""
    contexts = []

    def open_tab(url: str, scheme: str = "light") -> Page:
        context = browser.new_context(
            viewport={"width": 1280, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.dialogs = []
        page.on("dialog", lambda d: (page.dialogs.append(d.message), d.dismiss()))
        page.outside = []  # the machine's own network is all that a page needs
        page.on("request", lambda r: OWN.match(r.url) or page.outside.append(r.url))
        page.on("console", lambda m: REFUSED in m.text and page.outside.append(m.text))
        page.goto(url)
        return settled(page)

    yield open_tab
    for context in contexts:
        context.close()


def settled(page: Page) -> Page:
    """Wait until the script has run through."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    return page


def sound(page: Page) -> Page:
    """Check that a page shows no exception, ran no text of the data and asked nobody outside."""
    assert page.locator('[data-testid="stException"]').all_inner_texts() == []
    assert page.dialogs == []
    assert page.evaluate("window.__pwned") is None
    assert page.outside == []
    return page


def title(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", name=text, exact=True)).to_be_visible()


def button(page: Page, name: str):
    return page.get_by_role("button", name=name)


def stop_button(page: Page):
    """The job's own (Streamlit shows another while a script runs, and draws tooltips twice)."""
    return page.locator('[data-testid="stMain"] [class*="st-key-stop"] button').first
