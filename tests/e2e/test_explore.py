"""Gestures on the clusters page, in a browser."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from benchmarks import make_workspace
from core import clusters, edits
from core.workspace.store import Workspace
from tests.e2e.conftest import button, settled, sound

AREA = re.compile(r"^\d[\d,]* rows in the area drawn on the map")


@pytest.fixture
def page(serve, tab, copied):
    page = tab(serve(copied.root).url(f"/clusters?clusters={copied.clusters}"))
    page.wait_for_selector(".js-plotly-plot .nsewdrag", state="attached")
    page.wait_for_timeout(1000)  # the chart is drawn after the script has run
    return page


def drag(page, chart=0, share=0.98, box=False):
    """Draw around the middle of the map, by lasso or box."""
    map = page.locator(".js-plotly-plot").nth(chart)
    map.scroll_into_view_if_needed()
    if box:
        map.hover()
        map.locator('[data-title="Box Select"]').click()
    area = map.locator(".nsewdrag").first.bounding_box()
    x, y = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
    w, h = share * area["width"] / 2, share * area["height"] / 2
    page.mouse.move(x - w, y - h)
    page.mouse.down()
    for across, up in ((w, h),) if box else ((w, -h), (w, h), (-w, h), (-w, 4 - h)):
        page.mouse.move(x + across, y + up, steps=8)
    page.mouse.up()
    page.wait_for_timeout(500)
    settled(page)


def choose(page, label, option):
    page.get_by_role("combobox", name=re.compile(label)).first.click()
    page.get_by_role("option", name=option, exact=True).click()
    page.wait_for_timeout(500)
    settled(page)


@pytest.mark.parametrize("box", [True, False])
def test_what_is_drawn_is_read_and_recolouring_keeps_it(page, box):
    drag(page, box=box)
    found = page.get_by_text(AREA)
    expect(found).to_be_visible()
    words = found.inner_text()
    assert int(words.split(" ")[0]) > 100
    expect(page.get_by_text(re.compile(r"^row \d+$|^row \d+ ")).first).to_be_visible()
    choose(page, "Colour", "Colour: Final loss")
    expect(page.get_by_text(words)).to_be_visible()
    page.get_by_text("Data map", exact=True).click()
    page.wait_for_timeout(800)
    expect(settled(page).get_by_text(words)).to_be_visible()
    sound(page)


def test_a_click_on_a_ribbon_reads_its_cluster(page, copied):
    name = page.locator(".js-plotly-plot .annotation-text").first
    for scheme, ink in (("light", "rgb(12, 15, 21)"), ("dark", "rgb(230, 232, 236)")):
        page.emulate_media(color_scheme=scheme)
        expect(name).to_have_css("fill", ink)
    page.get_by_role("tab", name="Ribbons").click()
    settled(page)
    ribbons = page.locator(".js-plotly-plot").nth(1)
    ribbons.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    panel = ribbons.locator(".nsewdrag").first.bounding_box()
    page.mouse.click(panel["x"] + panel["width"] * 0.7, panel["y"] + panel["height"] * 0.3)
    largest = int(
        np.bincount(
            np.load(copied.workspace.open(copied.clusters).path / "labels.npy").clip(0)
        ).argmax()
    )
    expect(page.get_by_text(re.compile(r"rows in cluster \d+ "))).to_be_visible()
    page.wait_for_url(re.compile(f"cluster={largest}(&|$)"))
    sound(page)


def test_search_exclude_and_undo(page, copied):
    page.get_by_placeholder("Search all texts").fill("larger than")
    page.get_by_placeholder("Search all texts").press("Enter")
    expect(page.get_by_text(re.compile(r"^\d+ rows with “larger than”"))).to_be_visible()
    expect(page.locator("mark").first).to_have_text(re.compile("larger than", re.IGNORECASE))
    button(page, re.compile("^block Exclude all|^Exclude all")).first.click()
    expect(page.get_by_text(re.compile(r"\d+ rows excluded, 0 pinned"))).to_be_visible()
    assert len(edits.read(copied.workspace, copied.dataset).excluded) > 0
    button(settled(page), re.compile("Undo$")).first.click()  # the row of buttons stands still
    expect(page.get_by_text(re.compile(r"\d+ rows excluded, 0 pinned"))).to_have_count(0)
    assert len(edits.read(copied.workspace, copied.dataset).excluded) == 0
    sound(page)


def test_a_link_restores_the_view_in_another_browser(page, tab, copied):
    drag(page)
    choose(page, "Colour", "Colour: Source")
    page.get_by_placeholder("Search all texts").fill("sum")
    page.get_by_placeholder("Search all texts").press("Enter")
    found = page.get_by_text(re.compile(AREA.pattern + ", with “sum”"))
    expect(found).to_be_visible()
    page.wait_for_url(re.compile("sel="))
    page.wait_for_timeout(500)  # the address follows the page
    other = tab(page.url)
    expect(other.get_by_text(found.inner_text())).to_be_visible()
    expect(other.get_by_role("combobox", name="Colour")).to_have_value("Colour: Source")
    sound(other)


def test_pages_are_turned_by_keyboard(page):
    drag(page)
    first = page.get_by_text(re.compile(r"^row \d+")).first
    before = first.inner_text()
    page.locator("body").press("n")
    expect(first).not_to_have_text(before)
    page.locator("body").press("p")
    expect(first).to_have_text(before)
    sound(page)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Make a workspace of more rows than a browser can select one by one."""
    workspace = Workspace(tmp_path_factory.mktemp("crowd"))
    artifact = make_workspace.make(workspace, 320_000, 5, "short", 0)
    wanted = clusters.Settings(trajectories=artifact.id, k=20, map=False)
    return workspace.root, clusters.run(workspace, wanted)


def test_300_000_selected_rows_do_not_freeze_the_page(serve, tab, crowd):
    root, made = crowd
    page = tab(serve(root).url(f"/clusters?clusters={made}"))
    page.wait_for_selector(".js-plotly-plot .nsewdrag", state="attached", timeout=120_000)
    page.wait_for_timeout(1500)
    drag(page)
    found = page.get_by_text(AREA)
    expect(found).to_be_visible()
    assert int(found.inner_text().split(" ")[0].replace(",", "")) > 300_000
    page.get_by_role("tab", name="Profile").click()
    expect(page.get_by_text("a random sample of 50,000 of").first).to_be_visible()
    sound(page)
