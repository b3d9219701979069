"""Every page of a workspace in which every text is hostile: nothing of it is read as markup.

One server and one tab go through all pages, tabs, menus, tips and charts. After each step no request
may have left this machine, no script may have run, and no element may stand in the page that only
the texts can have made.
"""

import contextlib
import json
import urllib.parse

import numpy as np
import pytest
from playwright.sync_api import Error

from core import clusters, dataset, edits, jobs, selection, trajectories
from core.workspace import files, manifest
from tests.conftest import MARKUP, rows, write
from tests.e2e.conftest import Server, settled, sound

EVIL = " ".join(MARKUP)
MADE_BY_TEXTS = """() => {
  const of = [];
  for (const e of document.querySelectorAll('*')) {
    for (const name of ['href', 'src', 'srcset', 'xlink:href', 'data', 'action', 'srcdoc'])
      if (/evil/.test(e.getAttribute(name) || '')) of.push(e.outerHTML.slice(0, 200));
    // the reader shades each token in a mark of its own
    if (e.tagName !== 'MARK' && /^evil(bold|math)$/.test((e.textContent || '').trim())) of.push(e.outerHTML.slice(0, 200));
    if (e.dataset && e.dataset.testid === 'stIconMaterial' && /skull/.test(e.textContent))
      of.push('icon ' + e.outerHTML.slice(0, 200));
  }
  for (const e of document.querySelectorAll('.katex, iframe[srcdoc], a[href^="mailto:"]'))
    of.push(e.outerHTML.slice(0, 200));
  if (/\\u{1F604}/u.test(document.body.innerText)) of.push('an emoji');
  return of;
}"""
PARAMETERS = ("dataset", "trajectories", "clusters", "selection", "finetune", "study")
PAGES = ("dataset", "trajectories", "clusters", "selection", "finetune", "study")


def renamed(workspace, name):
    """Give every artifact a hostile name, as who makes it can."""
    for entry in workspace.entries():
        made = workspace.open(entry.id)
        facts = {k: v for k, v in made.manifest.items() if k != "self_sha256"}
        files.write_json(made.path / manifest.NAME, manifest.signed({**facts, "name": name}))


def failed_job(workspace, number, argv):
    """Leave what a job leaves that failed with a message about somebody's text."""
    folder = workspace.root / "jobs" / f"2099010{number}-000000000-0000"
    folder.mkdir(parents=True)
    argv = ["python", "-m", "core", *argv, "--workspace", str(workspace.root)]
    created = "2099-01-01T00:00:00.000+00:00"
    files.write_json(folder / "spec.json", {"title": EVIL, "argv": argv, "created": created})
    files.write_json(folder / "status.json", {"state": "failed", "message": EVIL, "result": ""})
    (folder / "log").write_text(EVIL)


@pytest.fixture(scope="module")
def hostile(finished, tmp_path_factory):
    """Add what the finished workspace has not: hostile columns, names, notes, jobs, leftovers."""
    workspace = finished.workspace
    folder = tmp_path_factory.mktemp("hostile")
    records = [
        {
            "question": f"{row['question']} {EVIL}",
            "answer": f"{row['answer']} {EVIL}",
            "source": MARKUP[i % 3],
            "part": row["part"],
            MARKUP[0]: MARKUP[i % 4],
            MARKUP[1]: i,
            MARKUP[2]: f"{EVIL} {i}",
        }
        for i, row in enumerate(rows())
    ]
    settings = dataset.Settings(
        path=str(write(folder / "rows.jsonl", records)), split_column="part", name=EVIL[:200]
    )
    data = dataset.run(workspace, settings)
    n = workspace.open(data).summary["rows"]
    losses = np.linspace([3.0, 2.0, 1.0], [4.0, 1.0, 0.1], n) + np.arange(n)[:, None] % 3
    np.save(folder / "losses.npy", losses.astype(np.float32))
    source = str(folder / "losses.npy")
    paths = trajectories.run(workspace, trajectories.Settings(dataset=data, source=source))
    groups = clusters.run(workspace, clusters.Settings(trajectories=paths, k=4, map=False))
    for cluster in range(4):
        edits.name(workspace, data, groups, cluster, MARKUP[cluster % 4][:60])
        edits.note_cluster(workspace, data, groups, cluster, EVIL)
    edits.note(workspace, data, [0, 1, 2], EVIL)
    edits.exclude(workspace, data, [3], why=EVIL)
    for name in ("a", "b"):
        chosen = selection.run(
            workspace, selection.Settings(parent=groups, budget="20%", name=name, seed=ord(name))
        )
    renamed(workspace, EVIL)
    workspace.draft("clusters", name=EVIL, config={}, parents={"trajectories": paths})
    broken = workspace.root / "layout" / "20990101-000000000-0000"
    broken.mkdir(parents=True)
    (broken / manifest.NAME).write_text(json.dumps({"name": EVIL, "kind": EVIL}))
    failed_job(workspace, 1, ["dataset", "--path", EVIL])
    failed_job(workspace, 2, ["trajectories", "--dataset", data])
    failed_job(workspace, 3, ["finetune", "--selection", chosen])
    failed_job(workspace, 4, ["study", "--clusters", groups])
    assert all(job.state == "failed" for job in jobs.jobs(workspace))
    return finished._replace(dataset=data, trajectories=paths, clusters=groups, selection=chosen)


@pytest.fixture(scope="module")
def server(browser, hostile, tmp_path_factory):
    started = Server(hostile.root, tmp_path_factory.mktemp("server") / "log")
    yield started
    started.kill()


class Visitor:
    """A person who opens, points at and chooses everything."""

    def __init__(self, page) -> None:
        self.page = page
        self.steps = self.tipped = self.hovered = 0

    def harmless(self, step):
        """Check the page as it stands."""
        self.steps += 1
        assert self.page.evaluate(MADE_BY_TEXTS) == [], step
        assert self.page.outside == [], step
        assert self.page.dialogs == [], step
        assert self.page.evaluate("window.__pwned") is None, step

    def settle(self, pause=150):
        self.page.wait_for_timeout(pause)
        settled(self.page)

    def look(self, step, point=True):
        """Open what is folded, point at what has a tip, and check."""
        for folded in self.page.locator("details:not([open]) > summary").all():
            with contextlib.suppress(Error):
                folded.click(timeout=1000)
        self.settle()
        self.harmless(step)
        if point:
            self.tips(step)
            self.charts(step)

    def tips(self, step, most=2):
        """Point at what has a tip; once one is open, the next open at once."""
        targets = self.page.locator('[data-testid="stTooltipHoverTarget"]:visible')
        shown = self.page.locator('[data-testid="stTooltipContent"]')
        for i in range(min(targets.count(), most)):
            with contextlib.suppress(Error):  # covered, or gone
                targets.nth(i).hover(timeout=300, force=True)
                shown.first.wait_for(timeout=600)
                self.tipped += 1
                self.harmless(f"tip {i} of {step}")

    def charts(self, step):
        for chart in self.page.locator(".js-plotly-plot .nsewdrag:visible").all()[:4]:
            with contextlib.suppress(Error):
                chart.scroll_into_view_if_needed(timeout=500)
                area = chart.bounding_box()
                for x, y in ((0.3, 0.5), (0.6, 0.7)):
                    self.page.mouse.move(
                        area["x"] + x * area["width"], area["y"] + y * area["height"], steps=2
                    )
                self.page.wait_for_timeout(60)
                self.hovered += self.page.locator(".hoverlayer .hovertext").count()
        self.harmless(f"charts of {step}")

    def menus(self, step):
        """Open every list of options and every popover."""
        for kind in ('[role="combobox"]:visible', '[data-testid="stPopover"] button:visible'):
            for i in range(min(self.page.locator(kind).count(), 8)):
                with contextlib.suppress(Error):
                    self.page.locator(kind).nth(i).click(timeout=1000)
                    self.settle(120)
                    self.harmless(f"{kind} {i} of {step}")
                self.page.keyboard.press("Escape")

    def tabs(self, step):
        for i in range(self.page.get_by_role("tab").count()):
            tab = self.page.get_by_role("tab").nth(i)
            name = tab.inner_text()
            tab.click()
            self.settle(300)
            self.look(f"{name} of {step}")


def test_hostile_texts_stay_texts_on_every_page(server, tab, hostile):
    page = tab(server.url())
    visitor = Visitor(page)
    visitor.look("overview")
    for name in PAGES:
        ids = {"selection": "clusters", "finetune": "selection"}.get(name, name)
        page.goto(server.url(f"/{name}?{ids}={getattr(hostile, ids)}"))
        page.get_by_role("heading").first.wait_for()
        visitor.settle(500)
        visitor.look(name)
        visitor.tabs(name)
        visitor.menus(name)
        sound(page)
    assert visitor.steps > 60
    assert visitor.tipped > 10
    assert visitor.hovered > 3


def test_hostile_filters_colours_and_searches_stay_texts(server, tab, hostile):
    colour = urllib.parse.quote(f"{MARKUP[0]} (input)")
    page = tab(server.url(f"/clusters?clusters={hostile.clusters}&cluster=1&colour={colour}"))
    visitor = Visitor(page)
    page.wait_for_selector(".js-plotly-plot .nsewdrag", state="attached")
    visitor.look("coloured by a hostile column")
    search = page.get_by_placeholder("Search all texts")
    for text in (MARKUP[0], MARKUP[1]):
        search.fill(text)
        search.press("Enter")
        visitor.settle(800)
        visitor.look(f"search {text}", point=False)
    search.fill("")
    search.press("Enter")
    visitor.settle(800)
    page.get_by_role("button", name="Filter").first.click()
    for column in (MARKUP[0], MARKUP[2]):
        box = page.get_by_role("combobox", name="Filter by")
        box.fill(column)
        box.press("Enter")
        visitor.settle(500)
        visitor.harmless(f"filter {column}")
        shown = page.get_by_text(f"{column} (input)").filter(visible=True)
        assert shown.count() > 0
    sound(page)


def test_a_hostile_address_is_refused_in_plain_words(server, tab, hostile):
    page = tab(server.url())
    visitor = Visitor(page)
    wrong = urllib.parse.quote(MARKUP[0], safe="")
    for kind in PARAMETERS:
        page.goto(server.url(f"/{kind}?{kind}={wrong}"))
        page.get_by_text(f"What the address has for {kind} is not an id").first.wait_for()
        visitor.harmless(kind)
    page.goto(
        server.url(
            f"/clusters?clusters={hostile.clusters}"
            + "".join(f"&{name}={wrong}" for name in ("sel", "cluster", "map", "colour", "tab"))
        )
    )
    for name in ("sel", "cluster"):
        page.get_by_text(f"What the address has for {name} is not the").wait_for()
    visitor.settle()
    visitor.harmless("view")
    assert page.locator('[data-testid="stException"]').count() == 0
    assert MARKUP[0] not in page.locator('[data-testid="stMain"]').inner_text()
