"""The bars of the selection page under a mouse."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from benchmarks import make_workspace
from core import clusters
from core.workspace.store import Workspace
from tests.e2e.conftest import button, settled, sound

BARS = '[class*="st-key-selection-bars"] .nsewdrag'


@pytest.fixture
def page(serve, tab, copied):
    page = tab(serve(copied.root).url(f"/selection?clusters={copied.clusters}"))
    page.wait_for_selector(BARS, state="attached")
    return waited(page)


def waited(page):
    page.wait_for_timeout(500)
    settled(page)
    page.wait_for_timeout(1000)  # the chart is drawn after the script has run
    return page


def at(page, across, up):
    """Return a point of the plot, as shares of its width and height."""
    page.get_by_role("heading", name="Selection", exact=True).scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    area = page.locator(BARS).first.bounding_box()
    return area["x"] + across * area["width"], area["y"] + (1 - up) * area["height"]


def test_click_slider_and_box_move_the_bars(page, copied):
    rows = page.get_by_test_id("stMetric").filter(has_text="Rows").get_by_test_id("stMetricValue")
    expect(rows).to_have_text("15 of 139")
    head = page.get_by_text(re.compile(r"^Cluster \d+ \(.*\): taken"))
    page.mouse.click(*at(page, 0.08, 0.9))
    expect(head).to_contain_text("taken 3 of 41")
    waited(page)
    page.mouse.click(*at(page, 0.92, 0.9))  # far above the one row of the smallest cluster
    expect(head).to_contain_text("taken 1 of 1")
    waited(page)
    page.mouse.click(*at(page, 0.25, 0.5))
    expect(head).to_contain_text("taken 3 of 32")
    first = int(re.search(r"\d+", head.inner_text())[0])
    waited(page)
    bar = page.get_by_role("slider").last
    bar.focus()
    for _ in range(3):
        bar.press("ArrowRight")
    expect(head).to_contain_text("taken 6 of 32, set by hand")
    moved = page.get_by_text(re.compile(rf"^Cluster {first}: \+\d rows?, the others"))
    expect(moved).to_be_visible()
    waited(page)
    page.get_by_text("Draw a box", exact=True).click()
    waited(page)
    page.mouse.move(*at(page, 0.4, 0.1))
    page.mouse.down()
    page.mouse.move(*at(page, 0.6, 0.5), steps=8)
    page.mouse.up()
    level = round(0.5 * 1.1 * 41)
    found = page.get_by_text(re.compile(r"^2 clusters under the box"))
    expect(found).to_contain_text(f"top edge {level}")
    waited(page)
    button(page, f"Cap these 2 at {level}").click()
    expect(page.get_by_text("≤ at most, by hand")).to_be_visible()
    waited(page)
    button(page, "Set these 2 to").click()
    expect(page.get_by_text("more than the budget of 15")).to_be_visible()
    expect(button(page, "Save this selection")).to_have_count(0)
    sound(page)
    button(page, "Undo").click()
    expect(button(page, "Save this selection")).to_be_visible()
    expect(page.get_by_text("≤ at most, by hand")).to_be_visible()
    expect(rows).to_have_text("15 of 139")
    sound(page)


def test_many_thin_bars_on_a_logarithmic_axis(serve, tab, tmp_path):
    workspace = Workspace(tmp_path / "many")
    artifact = make_workspace.make(workspace, 4_000, 5, "short", 0)
    made = clusters.run(workspace, clusters.Settings(trajectories=artifact.id, k=200, map=False))
    labels = np.load(workspace.open(made).path / "labels.npy")
    sizes = np.bincount(labels[labels >= 0])
    page = tab(serve(workspace.root).url(f"/selection?clusters={made}"))
    page.wait_for_selector(BARS, state="attached")
    waited(page)
    expect(page.get_by_text("(logarithmic)")).to_be_visible()
    page.mouse.click(*at(page, 100.5 / 200, 0.9))
    expect(page.get_by_text(re.compile(r"^Cluster \d+ \("))).to_be_visible()
    waited(page)
    page.get_by_text("Draw a box", exact=True).click()
    waited(page)
    page.mouse.move(*at(page, 0.2, 0.1))
    page.mouse.down()
    page.mouse.move(*at(page, 0.6, 0.5), steps=8)
    page.mouse.up()
    found = page.get_by_text(re.compile(r"^\d+ clusters under the box"))
    expect(found).to_be_visible()
    count, level = re.search(r"^(\d+) .*top edge (\d+)", found.inner_text()).groups()
    assert int(count) == pytest.approx(0.4 * 200, abs=2)
    half = (np.log10(sizes.max()) + 0.2 - 0.3) / 2  # the exponent in the middle of the axis
    assert int(level) == pytest.approx(10**half, abs=1.5)
    sound(page)
