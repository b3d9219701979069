"""Seconds of each step of the story in a real browser, from the key to the page at rest.

    S2L_WORKSPACE=DIR python -m streamlit run streamlit_app.py &
    python benchmarks/story.py http://127.0.0.1:8501 [--pictures DIR]

The first round is a viewer's first visit, the second a return. With --pictures each step is kept
as it is seen at 1280 x 800 and 1920 x 1080, light and dark.
"""

from __future__ import annotations

import argparse
import pathlib
import time
from typing import Any

from in_browser import AT_REST, CHROMIUM, FLAGS, PATIENCE
from playwright.sync_api import sync_playwright

STEPS = 5
SIZES = ((1280, 800), (1920, 1080))


def opened(browser: Any, address: str, size: tuple[int, int], scheme: str) -> Any:
    """Open the story's first step in a page of its own."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page.goto(f"{address}/?present=1")
    at_step(page, 1)
    return page


def at_step(page: Any, number: int) -> None:
    """Wait until a step's title stands and the page is at rest."""
    page.locator("h2", has_text=f"{number} ·").wait_for(timeout=PATIENCE)
    page.wait_for_selector(AT_REST, timeout=PATIENCE)
    page.locator(".st-key-story-Next button").wait_for(timeout=PATIENCE)


def seconds(page: Any) -> list[float]:
    """Walk to the last step with the arrow key; return the seconds of each."""
    took = []
    for number in range(2, STEPS + 1):
        page.wait_for_timeout(1500)  # as a speaker does; a key pressed while drawing may be lost
        began = time.perf_counter()
        page.keyboard.press("ArrowRight")
        at_step(page, number)
        took.append(time.perf_counter() - began)
    return took


def main() -> None:
    """Print a line of seconds a round; keep pictures where they are wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--pictures", type=pathlib.Path)
    options = parser.parse_args()
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for visit in ("first visit", "second visit"):
            began = time.perf_counter()
            page = opened(browser, options.address, SIZES[0], "light")
            took = [time.perf_counter() - began, *seconds(page)]
            print(visit, *(f"{n + 1}: {s:.1f} s" for n, s in enumerate(took)), sep="  ", flush=True)
            page.close()
        if options.pictures is not None:
            options.pictures.mkdir(parents=True, exist_ok=True)
            for size in SIZES:
                for scheme in ("light", "dark"):
                    page = opened(browser, options.address, size, scheme)
                    for number in range(1, STEPS + 1):
                        if number > 1:
                            page.wait_for_timeout(500)
                            page.keyboard.press("ArrowRight")
                            at_step(page, number)
                        page.wait_for_timeout(1500)
                        name = f"{number}-{size[0]}-{scheme}.png"
                        page.screenshot(path=options.pictures / name)
                    page.close()


if __name__ == "__main__":
    main()
