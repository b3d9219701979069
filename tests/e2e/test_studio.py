"""What a person does, in a browser. The deep link comes first, on a server nobody has visited."""

import json
import re
import time

import pytest
from playwright.sync_api import expect

from core import jobs
from core.workspace.store import Workspace
from tests.e2e.conftest import button, settled, sound, stop_button, title

TITLES = {
    "": "S2L Studio",
    "dataset": "Dataset",
    "trajectories": "Trajectories",
    "clusters": "Clusters",
    "selection": "Selection",
    "finetune": "Fine-tune",
    "study": "Study",
}


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


def test_two_browsers_that_start_the_same_thing_start_one_job(serve, tab, copied, busy):
    busy(copied.workspace)
    server = serve(copied.root)
    two = [tab(server.url(f"/trajectories?dataset={copied.dataset}")) for _ in range(2)]
    for page in two:
        button(page, "Train proxy").wait_for()
    for page in two:
        button(page, "Train proxy").click()
    for page in two:
        expect(stop_button(page)).to_be_visible()
    assert len(jobs.jobs(copied.workspace)) == 1
    stop_button(two[0]).click()
    for page in two:
        expect(page.get_by_text(re.compile("^Stopped")).first).to_be_visible(timeout=120_000)
        sound(page)
    assert len(jobs.jobs(copied.workspace)) == 1


def test_a_job_outlives_the_server_and_is_stopped_after_its_restart(serve, tab, copied):
    server = serve(copied.root)
    address = server.url(f"/trajectories?dataset={copied.dataset}")
    page = tab(address)
    page.get_by_role("textbox", name="Epochs").fill("300")
    page.get_by_role("textbox", name="Epochs").press("Enter")
    settled(page)
    button(page, "Train proxy").click()
    expect(stop_button(page)).to_be_visible()
    (job,) = jobs.active(copied.workspace)
    assert "300.0" in job.argv
    deadline = time.monotonic() + 120
    while jobs.status(copied.workspace, job.id).step < 1:
        assert time.monotonic() < deadline, jobs.log_tail(copied.workspace, job.id)
        time.sleep(0.2)
    server.kill()
    time.sleep(1)
    assert jobs.status(copied.workspace, job.id).state == "running"
    server.start()
    page = tab(address)
    expect(stop_button(page)).to_be_visible()
    expect(page.get_by_text("train proxy:").first).to_be_visible()
    assert jobs.status(copied.workspace, job.id).state == "running"
    stop_button(page).click()
    expect(page.get_by_text(re.compile("^Stopped")).first).to_be_visible(timeout=120_000)
    assert jobs.status(copied.workspace, job.id).state == "stopped"
    expect(button(page, "Resume")).to_be_visible()
    sound(page)


def test_a_resumed_job_is_seen_at_once(serve, tab, copied, busy):
    busy(copied.workspace)
    argv = ["trajectories", "--dataset", copied.dataset, "--model", "scratch:tiny"]
    id = jobs.submit(copied.workspace, argv, title="Proxy")
    jobs.stop(copied.workspace, id)
    jobs.wait(copied.workspace, id, 60)
    page = tab(serve(copied.root).url(f"/trajectories?dataset={copied.dataset}"))
    button(page, "Resume").click()
    expect(stop_button(page)).to_be_visible(timeout=10_000)
    expect(button(page, "Resume")).to_have_count(0)
    assert len(jobs.active(copied.workspace)) == 1


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
