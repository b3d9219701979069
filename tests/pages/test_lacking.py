"""Pages of a workspace that lacks what they work on."""

import shutil

import pytest

from core import jobs
from dashboard.frame import lacking
from tests.pages.conftest import fine, flags, has_button, press, words

LEADS = [step.button for step in lacking.STEPS.values()]


@pytest.mark.parametrize("page", ["trajectories", "clusters", "selection", "study", "finetune"])
def test_every_page_of_an_empty_workspace_leads_to_the_first_step(bare, visit, page):
    at = fine(visit(bare.root, page))
    assert "There is no dataset yet." in words(at)
    assert [b.label for b in at.button if b.label in LEADS] == ["Import a dataset"]
    assert has_button(at, "Run the demo")
    press(at, "Import a dataset")
    assert at.header[0].value == "Dataset"


@pytest.mark.parametrize("page", ["selection", "study", "finetune"])
def test_a_page_two_steps_ahead_leads_to_the_first_that_is_missing(copied, visit, page):
    for kind in ("study", "finetune", "selection", "clusters"):
        shutil.rmtree(copied.root / kind)
    at = fine(visit(copied.root, page))
    assert "No clustering was kept yet." in words(at)
    assert [b.label for b in at.button if b.label in LEADS] == ["See the clusters"]
    assert not has_button(at, "Run the demo")


@pytest.mark.parametrize("page", ["dataset", "study"])
def test_the_demo_is_run_from_any_empty_page_and_followed_on_the_overview(bare, visit, busy, page):
    busy(bare)
    at = fine(visit(bare.root, page))
    fine(press(at, "Run the demo"))
    (job,) = jobs.jobs(bare)
    assert flags(job) == ["demo"]
    assert "The demo is running" in words(at)
    again = fine(visit(bare.root, page))
    assert not has_button(again, "Run the demo")
    press(again, "See the demo run")
    assert again.header[0].value == "S2L Studio"
