"""A report in a browser without a network: pictures, tips, one cluster everywhere, paper."""

import re

import pytest

from core.report.run import page as page_of


@pytest.fixture(scope="module")
def file(finished, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "report.html"
    out.write_text(page_of(finished.workspace.open(finished.study), with_texts=True))
    return out


def opened(browser, file, **how):
    """Open a file with the network cut; what it asks for and complains of is kept."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}, **how)
    tab = context.new_page()
    tab.asked, tab.complained = [], []
    tab.on("request", lambda r: tab.asked.append(r.url))
    tab.on("console", lambda m: tab.complained.append(m.text))
    tab.on("pageerror", lambda e: tab.complained.append(str(e)))
    tab.goto(file.as_uri())
    return tab


def test_a_report_asks_nobody_and_answers_the_pointer_and_the_keys(browser, file):
    tab = opened(browser, file)
    assert tab.evaluate("window.__pwned") is None
    panel = tab.locator("#ribbons [data-c]").first
    panel.hover()
    assert "rows" in tab.locator("#tip").inner_text()
    panel.focus()
    tab.keyboard.press("Enter")
    chosen = panel.get_attribute("data-c")
    lit = tab.locator("svg .lit")
    assert {mark.get_attribute("data-c") for mark in lit.all()} == {chosen}
    assert lit.count() == 3, "on the map, among the ribbons and among the bars"
    tab.keyboard.press("Escape")
    assert tab.locator(".lit").count() == 0
    before = tab.locator("#map svg").get_attribute("viewBox")
    tab.get_by_role("button", name="Zoom in").click()
    assert tab.locator("#map svg").get_attribute("viewBox") != before
    tab.get_by_role("button", name="Show the whole map").click()
    assert tab.locator("#map svg").get_attribute("viewBox") == before
    assert tab.asked == [file.as_uri()]
    assert tab.complained == []
    wide = tab.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert wide == 0
    tab.context.close()


def test_a_report_is_whole_without_scripts_and_on_paper(browser, file):
    tab = opened(browser, file, java_script_enabled=False)
    titles = tab.locator("h2").all_inner_texts()
    assert len(titles) == 10
    for picture in tab.locator("figure").all():
        assert picture.locator("svg").get_attribute("role") == "img"
        assert picture.locator("svg").get_attribute("aria-label")
        assert picture.locator("svg").bounding_box()["height"] > 50
        assert len(picture.locator("figcaption").inner_text()) > 40
    assert tab.locator("button:visible").count() == 0
    paper = tab.pdf(prefer_css_page_size=True)
    pages = len(re.findall(rb"/Type\s*/Page\b", paper))
    assert 3 <= pages <= 12
    assert b"/MediaBox [0 0 59" in paper, "A4"
    tab.context.close()
