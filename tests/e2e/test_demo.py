"""The demo, from its button to the story, with nobody reloading the page."""

import re

import pytest
from playwright.sync_api import expect

from core import jobs
from core.workspace.store import Workspace
from tests.e2e.conftest import TITLES, button, settled, sound, title


@pytest.mark.slow
def test_the_demo_from_the_button_to_the_study(serve, tab, bare):
    server = serve(bare.root)
    page = tab(server.url())
    button(page, "Run the demo").click()
    expect(page.get_by_text("The demo is running")).to_be_visible()
    (job,) = jobs.active(bare)
    link = button(page, "See the comparison")
    expect(link).to_be_visible(timeout=900_000)  # nobody reloads the page: it follows the job
    assert jobs.status(bare, job.id).state == "done"
    link.click()
    title(page, "Study")
    verdict = page.get_by_text(re.compile("(better|worse) than random|level with random"))
    expect(verdict.first).to_be_visible()
    expect(page.get_by_text("a walk-through, not evidence").first).to_be_visible()
    (made,) = Workspace(bare.root).entries("study")
    assert f"study={made.id}" in page.url
    assert [a.split(" ")[0] for a in made.summary["arms"]] == ["s2l", "random", "full"]
    table = page.get_by_test_id("stTabs").get_by_test_id("stDataFrame").first
    expect(table).to_be_visible()
    cells = table.locator("table")
    for arm in ("untuned base", "s2l", "random", "full"):
        expect(cells.get_by_text(arm, exact=True).first).to_be_attached()
    sound(page)
    for name, words in TITLES.items():
        page.goto(server.url(f"/{name}"))
        title(page, words)
        sound(settled(page))
    page.goto(server.url())
    button(page, "Present").click()
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    for step in ("The bill", "What the small model noticed", "Kinds of examples", "What we keep"):
        expect(page.get_by_role("heading", name=step)).to_be_visible()
        page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="Was it as good?")).to_be_visible()
    sound(settled(page))
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
