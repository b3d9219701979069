"""The clusters page of a large workspace in a real browser, and the plain way beside it.

Used by explore.py. Times are wall-clock from a person's action to the page at rest; what the
browser sends is counted frame by frame.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
AT_REST = '[data-testid="stApp"][data-test-script-state="notRunning"]'
PATIENCE = 300_000
ROUNDS = 5
AREA = re.compile(r"^[1-9][\d,]* rows in the area drawn on the map")
CLUSTERS = re.compile(r"^\d+ clusters of ")
PLAIN = textwrap.dedent("""
    import numpy as np, plotly.graph_objects as go, streamlit as st
    xy = np.load({xy!r})[:{n}]
    xy = xy[np.isfinite(xy[:, 0])]
    fig = go.Figure(go.Scattergl(x=xy[:, 0], y=xy[:, 1], mode="markers", marker={{"size": 3}}))
    fig.update_layout(dragmode="lasso", height=560)
    event = st.plotly_chart(fig, key="map", on_select="rerun")
    st.write(f"{{len(event.selection.point_indices):,}} points selected")
""")


@contextmanager
def serve(script: str, workspace: pathlib.Path) -> Iterator[tuple[str, int]]:
    """Run a Streamlit script on a free port; give its address and process id."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            script,
            f"--server.port={port}",
            "--server.headless=true",
            "--server.address=127.0.0.1",
        ],
        cwd=ROOT,
        env={**os.environ, "S2L_WORKSPACE": str(workspace)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                    break
            except OSError:
                time.sleep(0.2)
        yield address, process.pid
    finally:
        process.kill()
        process.wait()


class Tab:
    """One browser tab that counts what it sends."""

    def __init__(self, browser: Any, context: Any = None) -> None:
        self.context = context or browser.new_context(viewport={"width": 1280, "height": 800})
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.sent = 0
        self.page.on("websocket", lambda ws: ws.on("framesent", self._count))

    def _count(self, payload: str | bytes) -> None:
        self.sent += len(payload)

    def open(self, address: str) -> None:
        self.page.goto(address)

    def rest(self) -> None:
        """Wait until the script has run through, twice in a row."""
        self.page.wait_for_selector(AT_REST)
        self.page.wait_for_timeout(60)
        self.page.wait_for_selector(AT_REST)

    def map_drawn(self) -> None:
        self.page.wait_for_selector(".js-plotly-plot .nsewdrag", state="attached")
        self.rest()

    def lasso(self, share: float) -> None:
        """Draw a lasso around the map's middle; `share` of its width and height."""
        area = self.page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
        assert area is not None
        x, y = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
        w, h = share * area["width"] / 2, share * area["height"] / 2
        self.page.mouse.move(x - w, y - h)
        self.page.mouse.down()
        for across, up in ((w, -h), (w, h), (-w, h), (-w, 4 - h)):
            self.page.mouse.move(x + across, y + up, steps=6)
        self.page.mouse.up()


def memory_gb(pid: int) -> float:
    """Return the resident memory of a process."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(found.group(1)) / 2**20 if found else 0.0


def explore(browser: Any, workspace: pathlib.Path, clusters: str, reruns: int) -> dict[str, float]:
    """Measure the clusters page of a workspace."""
    with serve("streamlit_app.py", workspace) as (address, pid):
        link = f"{address}/clusters?clusters={clusters}"
        warm = Tab(browser)
        warm.open(link)
        warm.map_drawn()
        opened = []
        for _ in range(3):
            tab = Tab(browser, warm.context)  # a browser that has been here before
            start = time.perf_counter()
            tab.open(link)
            tab.map_drawn()
            opened.append(time.perf_counter() - start)
        selected, sent, turned = [], [], []
        for i in range(ROUNDS):
            tab.page.wait_for_timeout(500)
            before = tab.sent
            tab.lasso(0.2 + 0.1 * i)
            released = time.perf_counter()
            tab.page.wait_for_timeout(80)
            tab.rest()
            selected.append(time.perf_counter() - released)
            sent.append((tab.sent - before) / 1024)
            assert tab.page.get_by_text(AREA).count(), "no area was selected"
        for _ in range(ROUNDS):
            start = time.perf_counter()
            tab.page.get_by_role("button", name="Next").first.click()
            tab.page.wait_for_timeout(40)  # the press has arrived by then
            tab.page.wait_for_selector(AT_REST)
            turned.append(time.perf_counter() - start)
        flat = [memory_gb(pid)]
        for _ in range(reruns):
            tab.page.get_by_role("button", name="Next").first.click()
            tab.page.wait_for_timeout(20)
            tab.rest()
        flat.append(memory_gb(pid))
        return {
            "first_map_s": round(statistics.median(opened), 2),
            "select_s": round(statistics.median(selected), 2),
            "select_upload_kb": round(max(sent), 1),
            "reader_s": round(statistics.median(turned), 2),
            "rss_gb": round(flat[1], 2),
            "rss_growth_gb": round(flat[1] - flat[0], 3),
        }


def change(browser: Any, workspace: pathlib.Path, trajectories: str) -> dict[str, float]:
    """Measure another K and a search over all texts, from the key press to the page at rest."""
    with serve("streamlit_app.py", workspace) as (address, _):
        tab = Tab(browser)
        tab.open(f"{address}/clusters?trajectories={trajectories}")
        tab.map_drawn()
        slider = tab.page.get_by_role("slider", name="Clusters (K)").first
        times = []
        for _ in range(ROUNDS):
            shown = tab.page.get_by_text(CLUSTERS).first.inner_text()
            k = int(shown.split(" ")[0])
            slider.focus()
            start = time.perf_counter()
            slider.press("ArrowLeft")
            tab.page.get_by_text(f"{k - 1} clusters of ").wait_for()
            tab.rest()
            times.append(time.perf_counter() - start)
        searched = []
        box = tab.page.get_by_placeholder("Search all texts")
        for word in ("square", "apples", "triangle", "train"):
            start = time.perf_counter()
            box.fill(word)
            box.press("Enter")
            tab.page.get_by_text(re.compile(f"rows with “{word}”")).wait_for()
            tab.rest()
            searched.append(time.perf_counter() - start)
        return {
            "recluster_s": round(statistics.median(times), 2),
            "search_page_s": round(statistics.median(searched), 2),
        }


def plain(browser: Any, workspace: pathlib.Path, xy: pathlib.Path, n: int) -> dict[str, float]:
    """Measure one WebGL point a row and the library's own list of selected points, on n rows."""
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder) / "plain.py"
        script.write_text(PLAIN.format(xy=str(xy), n=n))
        with serve(str(script), workspace) as (address, _):
            tab = Tab(browser)
            start = time.perf_counter()
            tab.open(address)
            tab.map_drawn()
            opened = time.perf_counter() - start
            tab.page.wait_for_timeout(3000)
            before, start = tab.sent, time.perf_counter()
            tab.lasso(0.6)
            tab.page.get_by_text(re.compile(r"^[1-9][\d,]* points selected")).wait_for()
            took = time.perf_counter() - start
            return {
                "plain_rows": n,
                "plain_first_map_s": round(opened, 2),
                "plain_select_s": round(took, 2),
                "plain_select_upload_kb": round((tab.sent - before) / 1024, 1),
            }
