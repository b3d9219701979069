"""What a person does, in a browser. The deep link comes first, on a server nobody has visited."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import TITLES, button, settled, sound, title


def test_a_deep_link_is_the_first_thing_a_fresh_server_sees(serve, tab, copied):
    server = serve(copied.root)
    page = tab(server.url(f"/clusters?clusters={copied.clusters}"))
    title(page, "Clusters")
    expect(page.get_by_text("6 clusters of 139 rows")).to_be_visible()
    expect(page.get_by_text("Kept as")).to_be_visible()
    assert f"clusters={copied.clusters}" in page.url
    sound(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_pages_are_sound_and_hostile_text_stays_text(serve, tab, copied, scheme):
    server = serve(copied.root)
    page = tab(server.url(), scheme)
    for name, words in reversed(TITLES.items()):
        page.goto(server.url(f"/{name}"))
        title(page, words)
        page.wait_for_timeout(300)
        sound(settled(page))
    page.goto(server.url("/dataset"))
    title(page, TITLES["dataset"])
    box = settled(page).get_by_role("combobox", name=re.compile("Source$")).last
    box.scroll_into_view_if_needed()
    page.wait_for_timeout(300)  # a list that is opened while the page scrolls is closed again
    box.click()
    page.get_by_role("option", name="<script>window.__pwned=1</script> **src**").click()
    expect(page.get_by_text("<script>window.__pwned=1;alert(1)</script>").first).to_be_visible()
    expect(page.get_by_text('<img src="x" onerror=').first).to_be_visible()
    page.wait_for_timeout(500)
    sound(settled(page))
    assert page.locator("iframe[srcdoc]").count() == 0
    page.goto(server.url(f"/selection?clusters={copied.clusters}"))
    page.get_by_role("tab", name="Read the selection").click()
    expect(page.get_by_text(re.compile(r"^row \d+ ")).first).to_be_visible()
    sound(settled(page))


def test_the_budget_by_keyboard_save_and_download(serve, tab, copied):
    page = tab(serve(copied.root).url(f"/selection?clusters={copied.clusters}"))
    rows = page.get_by_test_id("stMetric").filter(has_text="Rows").get_by_test_id("stMetricValue")
    expect(rows).to_have_text("15 of 139")
    slider = page.get_by_role("slider")
    slider.focus()
    for _ in range(9):
        slider.press("ArrowRight")
    expect(rows).to_have_text("27 of 139")
    before = {e.id for e in copied.workspace.entries("selection")}
    button(page, "Save this selection").click()
    expect(page.get_by_text("Saved as")).to_be_visible()
    (made,) = {e.id for e in copied.workspace.entries("selection")} - before
    assert f"selection={made}" in page.url
    with page.expect_download() as waiting:
        button(page, "Download as JSONL").click()
    lines = [json.loads(line) for line in waiting.value.path().read_text().splitlines()]
    assert len(lines) == 27
    assert set(lines[0]) == {"question", "answer", "task", "part", "extra"}
    sound(page)


def test_every_page_opens_by_its_name_in_the_address(serve, tab, copied):
    server = serve(copied.root)
    page = tab(server.url())
    for name, words in {**TITLES, "overview": TITLES[""]}.items():
        if not name:
            continue
        for end in ("", "/", "?a=b", "/?a=b"):
            page.goto(server.url(f"/{name}{end}"))
            title(page, words)
            expect(page.get_by_text("Page not found")).to_have_count(0)
    for name in ("Overview", "CLUSTERS"):
        page.goto(server.url(f"/{name}?a=b"))
        title(page, TITLES[name.lower().replace("overview", "")])
        expect(page.get_by_text("Page not found")).to_have_count(0)


def test_who_walks_by_keyboard_sees_where_in_the_sidebar_they_are(serve, tab, copied):
    page = tab(serve(copied.root).url("/clusters"))
    settled(page)
    links = page.get_by_test_id("stSidebarNavLink")
    expect(links.nth(1)).to_have_css("outline-style", "none")
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(links.nth(1)).to_be_focused()
    expect(links.nth(1)).to_have_css("outline-style", "solid")
    expect(links.nth(1)).to_have_css("outline-width", "2px")
