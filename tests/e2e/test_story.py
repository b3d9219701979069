"""The story in a browser: a click on the map, the switch, and keys after the switch."""

import re

from playwright.sync_api import expect

from tests.e2e.conftest import settled, sound, title

A_DOT = """() => {
  const chart = document.querySelector(".js-plotly-plot")
  const [box, plot, dots] = [chart.getBoundingClientRect(), chart._fullLayout, chart._fullData[0]]
  for (let at = 0; at < dots.x.length; at++) {
    const x = box.left + plot.xaxis._offset + plot.xaxis.l2p(dots.x[at])
    const y = box.top + plot.yaxis._offset + plot.yaxis.l2p(dots.y[at])
    if (document.elementFromPoint(x, y).matches(".nsewdrag")) return [x, y]
  }
}"""
"""Where a dot of the map is drawn that no name lies over."""


NAMES = ".st-key-strip-story-map .annotation-text"


def test_a_click_on_a_name_of_the_map_chooses_its_kind(serve, tab, copied):
    page = tab(serve(copied.root).url("/?present=1&step=3"))
    title(page, "3 · Kinds of examples")
    page.wait_for_selector(NAMES)
    settled(page)
    kind = page.locator(".st-key-story-cluster input")
    for at in (0, page.locator(NAMES).count() - 1):
        name = page.locator(NAMES).nth(at)
        text = name.text_content().removeprefix("●").strip()
        box = name.bounding_box()
        page.mouse.click(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
        expect(kind).to_have_value(re.compile("^" + re.escape(text.rstrip("…"))))
        sound(settled(page))
    expect(page.get_by_text("Two examples of the largest kind")).to_have_count(0)


def test_a_click_on_the_map_shows_two_texts_and_keys_work_after_the_switch(serve, tab, copied):
    page = tab(serve(copied.root).url("/?present=1&step=3"))
    title(page, "3 · Kinds of examples")
    page.wait_for_selector(".js-plotly-plot canvas")
    page.wait_for_timeout(1000)  # the map is drawn on a canvas a moment later
    shown = page.locator('[class*="st-key-story-text"] [data-testid="stText"]')
    expect(shown.first).to_contain_text("▒")
    page.locator(".st-key-story-masked label").first.click()
    expect(shown.first).not_to_contain_text("▒")
    assert shown.count() == 2
    settled(page).wait_for_timeout(1000)
    x, y = page.evaluate(A_DOT)
    page.mouse.move(x, y)
    page.wait_for_timeout(1000)  # a click is of the dot under the pointer, which is looked for
    page.mouse.click(x, y)
    expect(page.get_by_text("Two examples of the largest kind")).to_have_count(0)
    sound(settled(page))
    assert shown.count() == 2
    page.locator(".st-key-story-masked label").first.click()
    expect(shown.first).to_contain_text("▒")
    page.keyboard.press("ArrowRight")
    title(page, "4 · What we keep")
    page.keyboard.press("Escape")
    title(page, "S2L Studio")
    sound(settled(page))
