import pytest

from core import jobs, transfer
from core.training import time_estimate
from core.workspace.files import write_json
from dashboard.trajectories.transfer import TITLE
from tests.pages.conftest import button, fine, flags, has_button, press, words


@pytest.fixture
def page(visit, copied):
    return fine(turned(visit(copied.root, "trajectories")))


def turned(at):
    """Open the tab."""
    at.session_state["trajectories:tab"] = TITLE
    return at.run()


@pytest.fixture
def tried(copied, monkeypatch):
    rates = time_estimate.Rates((1e-6, 1e-6), (1e-6, 1e-6))
    monkeypatch.setattr(time_estimate, "measure", lambda *args, **kwargs: rates)
    how = {"model": "scratch:tiny", "epochs": 2.0, "max_length": 64, "checkpoints": 4}
    settings = transfer.Settings(trajectories=copied.trajectories, rows=60, **how)
    return copied.workspace.open(transfer.run(copied.workspace, settings))


def test_it_starts_what_the_command_line_would_start(page, copied, busy):
    busy(copied.workspace)
    rows = page.number_input(key=f"transfer:rows:{copied.trajectories}")
    assert rows.value == rows.max, "the dataset has fewer than 500 rows"
    rows.set_value(40)
    page.selectbox(key="transfer:model").set_value("scratch:tiny").run()
    fine(press(page, "Try the target"))
    (job,) = jobs.jobs(copied.workspace)
    assert flags(job) == [
        "transfer",
        "--trajectories",
        copied.trajectories,
        "--model",
        "scratch:tiny",
        "--rows",
        "40",
    ]
    assert job.command in words(page)
    assert "Waiting" in words(page)
    assert button(page, "Try the target").disabled
    fine(press(page, "Stop"))
    assert jobs.wait(copied.workspace, job.id, 20).state == "stopped"
    page.run()
    assert has_button(page, "Resume")
    assert not button(page, "Try the target").disabled


def test_what_was_found_is_said_with_its_uncertainty(tried, visit, copied):
    at = fine(turned(visit(copied.root, "trajectories")))
    said = words(at)
    value, low, high = tried.summary["rho"]
    assert f"rank correlation of {value:.2f} (95% interval {low:.2f} to {high:.2f})" in said
    assert "Over 60 rows" in said
    assert "compare by rank only" in said
    assert "certifies no bound" in said


def test_a_long_run_can_be_begun_all_the_same(page, copied, busy):
    argv = ["transfer", "--trajectories", copied.trajectories, "--model", "/nowhere"]
    id = jobs.submit(copied.workspace, argv, title="Target")
    assert jobs.wait(copied.workspace, id, 60).state == "failed"
    assert not has_button(page.run(), "Begin as it is")
    found = {"seconds": [5400, 7200], "ways": [], "text": "", "refused": True}
    write_json(copied.root / "jobs" / id / "estimate.json", found)
    page.run()
    busy(copied.workspace)
    fine(press(page, "Begin as it is: 1 h 30 min to 2 h 0 min"))
    assert "--accept-long" in jobs.jobs(copied.workspace)[0].argv
