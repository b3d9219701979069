"""Seconds of each step of the story in a real browser, from the key to charts drawn.

    python benchmarks/story.py WORKSPACE [--pictures DIR]

The first step is timed from the button on the home page, which is how a speaker begins, and from
the address in a new browser, with the least that any page takes so: one of Streamlit's with a
heading and a button. Round one is a browser's first visit to a server just started, round two a
return. Beside the seconds on the clock stand those of processors, of the server and the browser
together: what else the machine does changes them less. With --pictures each step is kept as it is
seen at 1280 x 800 and 1920 x 1080, light and dark.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import tempfile
import time
from typing import Any

from in_browser import AT_REST, CHROMIUM, FLAGS, PATIENCE, serve
from playwright.sync_api import sync_playwright

STEPS = 5
SIZES = ((1280, 800), (1920, 1080))
PLAIN = 'import streamlit as st\nst.header("1 · a heading")\nst.button("Next", key="story-Next")\n'
DRAWN = """() => {
  const charts = [...document.querySelectorAll('[data-testid="stPlotlyChart"]')]
  return !document.querySelector('[data-testid="stSkeleton"]')
    && charts.every(c => c.querySelector('.js-plotly-plot .main-svg'))
}"""
"""Whether every chart of the page is drawn."""


def at_step(page: Any, number: int) -> None:
    """Wait until a step's title stands, the page is at rest and its charts are drawn."""
    page.locator("h2", has_text=f"{number} ·").wait_for(timeout=PATIENCE)
    page.wait_for_selector(AT_REST, timeout=PATIENCE)
    page.locator(".st-key-story-Next button").wait_for(timeout=PATIENCE)
    page.wait_for_function(DRAWN, timeout=PATIENCE)


def by_address(browser: Any, address: str) -> float:
    """Open a first step in a new browser; return the seconds."""
    page = browser.new_page(viewport={"width": SIZES[0][0], "height": SIZES[0][1]})
    began = time.perf_counter()
    page.goto(address)
    at_step(page, 1)
    took = time.perf_counter() - began
    page.close()
    return took


def descendants(of: int) -> set[int]:
    """Return a process and all that it started."""
    parents = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        parents[int(folder.name)] = int(fields[1])
    found = {of}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def used(pid: int) -> float:
    """Return the processor seconds of this program's browser and of the server so far."""
    total = 0
    for process in descendants(os.getpid()) | {pid}:
        try:
            fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def walk(context: Any, address: str, pid: int) -> list[tuple[float, float]]:
    """Present from the home page and walk to the last step; return clock and processor seconds."""
    page = context.new_page()
    page.goto(address)
    present = page.get_by_role("button", name="Present")
    present.wait_for(timeout=PATIENCE)
    page.wait_for_selector(AT_REST, timeout=PATIENCE)
    page.wait_for_function(DRAWN, timeout=PATIENCE)
    took = []
    for number in range(1, STEPS + 1):
        page.wait_for_timeout(1500)  # as a speaker does; a key pressed while drawing may be lost
        began, before = time.perf_counter(), used(pid)
        if number == 1:
            present.click()
        else:
            page.keyboard.press("ArrowRight")
        at_step(page, number)
        took.append((time.perf_counter() - began, used(pid) - before))
    page.close()
    return took


def pictures(browser: Any, address: str, folder: pathlib.Path) -> None:
    """Keep each step as it is seen."""
    folder.mkdir(parents=True, exist_ok=True)
    for wide, high in SIZES:
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": wide, "height": high}, color_scheme=scheme)
            for number in range(1, STEPS + 1):
                page.goto(f"{address}/?present=1&step={number}")
                at_step(page, number)
                page.wait_for_timeout(1500)
                page.screenshot(path=folder / f"{number}-{wide}-{scheme}.png")
            page.close()


def main() -> None:
    """Print a line of seconds a round; keep pictures where they are wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=pathlib.Path)
    parser.add_argument("--pictures", type=pathlib.Path)
    options = parser.parse_args()
    with sync_playwright() as p, tempfile.TemporaryDirectory() as folder:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        context = browser.new_context(viewport={"width": SIZES[0][0], "height": SIZES[0][1]})
        script = pathlib.Path(folder) / "plain.py"
        script.write_text(PLAIN)
        with (
            serve("streamlit_app.py", options.workspace) as (address, pid),
            serve(str(script), pathlib.Path(folder)) as (plain, _),
        ):
            for visit in ("first visit", "second visit"):
                took = walk(context, address, pid)
                words = (f"{n}: {s:.1f} s ({c:.1f})" for n, (s, c) in enumerate(took, 1))
                print(visit, *words, sep="  ", flush=True)
            for _ in range(3):
                least = by_address(browser, plain)
                own = by_address(browser, f"{address}/?present=1")
                print(f"by address  a plain page: {least:.1f} s  step 1: {own:.1f} s", flush=True)
            if options.pictures is not None:
                pictures(browser, address, options.pictures)
        print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
