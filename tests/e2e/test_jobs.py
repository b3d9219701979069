"""Jobs in a browser: started twice, outliving their server, resumed."""

import re
import time

from playwright.sync_api import expect

from core import jobs
from tests.e2e.conftest import button, settled, sound, stop_button


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
