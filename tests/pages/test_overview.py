import json

import pytest

from core import jobs
from core.edits import labels
from core.nouns import DURATION
from core.workspace.store import Workspace
from dashboard.story import tour
from tests.conftest import NAME
from tests.pages.conftest import button, fine, flags, go, has_button, press, unescaped, words

PAGES = ("overview", "dataset", "trajectories", "clusters", "selection", "finetune", "study")


def study_run(copied):
    """The fine-tune of the study's s2l arm."""
    workspace = copied.workspace
    return next(
        e.id
        for e in workspace.entries("finetune")
        if e.parents.get("selection") == copied.selection
    )


def test_an_empty_workspace_offers_the_demo_and_says_how_long_it_takes(visit, bare):
    at = fine(visit(bare.root, "overview"))
    assert button(at, "Run the demo")
    assert f"It takes {DURATION}." in words(at)
    assert "Bring my own dataset" in [b.label for b in at.button]
    assert "No jobs running." in words(at)
    (picture,) = at.get("image")
    assert picture.proto.imgs[0].caption == "Where it leads: one run of the demo"
    assert not bare.root.exists()  # looking makes nothing


def test_it_shows_what_exists_and_links_to_the_newest_comparison(visit, copied):
    at = fine(visit(copied.root, "overview"))
    assert NAME in words(at)
    assert not has_button(at, "Run the demo")
    press(at, "See the comparison")
    assert at.header[0].value == "Study"
    assert at.query_params["study"] == copied.study


def test_the_listing_names_everything(visit, copied):
    at = visit(copied.root, "overview")
    assert len(at.dataframe) == 0, "the closed list costs nothing"
    at.session_state["overview:everything"] = True
    at.run()
    listed = set(at.dataframe[0].value["id"])
    assert listed == {e.id for e in copied.workspace.entries()}


def test_recent_artifacts_are_renamed_tagged_opened_and_deleted(visit, copied):
    at = fine(visit(copied.root, "overview"))
    at.text_input(key=f"name:{copied.study}").set_value("**the** one")
    form = f"label:{copied.study}"
    next(b for b in at.button if b.label == "Save" and b.proto.form_id == form).click().run()
    assert "**the** one" in words(fine(at))
    assert labels.read(copied.workspace)[copied.study].name == "**the** one"
    assert copied.workspace.open(copied.study).name != "**the** one"
    labels.write(copied.workspace, copied.study, "", ["[a](b)"])
    assert "[a](b)" in words(at.run())
    at.button(key=f"delete:{copied.selection}").click().run()
    assert any("is needed by" in e.value for e in at.error)
    at.button(key=f"delete:{copied.study}").click().run()
    assert copied.study not in {e.id for e in copied.workspace.entries()}
    newest = next(e for e in copied.workspace.recent() if e.kind == "selection")
    at.button(key=f"open:{newest.id}").click().run()
    assert at.query_params["selection"] == newest.id


def test_the_demo_starts_once_however_many_press(visit, bare, busy):
    busy(bare)
    one, two = visit(bare.root, "overview"), visit(bare.root, "overview")
    fine(press(one, "Run the demo"))
    fine(press(two, "Run the demo"))
    (job,) = jobs.jobs(bare)
    assert flags(job) == ["demo"]
    assert "The demo is running" in words(one)
    assert not has_button(one, "Run the demo")
    fine(press(one, "Stop"))
    assert jobs.wait(bare, job.id, 20).state == "stopped"
    fine(one.run())
    assert "Stopped" in words(one)
    assert has_button(one, "Run the demo")


def spoil(copied, kind, id, how):
    manifest = copied.root / kind / id / "manifest.json"
    if how == "truncated":
        manifest.write_text(manifest.read_text()[:200])
    else:
        facts = json.loads(manifest.read_text())
        facts["summary"]["rows"] = 1_000_000
        manifest.write_text(json.dumps(facts))


@pytest.mark.parametrize("how", ["truncated", "edited"])
def test_a_damaged_manifest_is_shown_as_damaged_and_the_rest_works(visit, copied, how):
    run = study_run(copied)
    spoil(copied, "finetune", run, how)
    at = visit(copied.root, "overview")
    assert not at.exception
    (shown,) = at.error
    assert run in words(at)
    assert "manifest" in shown.value
    for page in PAGES[1:]:
        fine(go(at, page))


@pytest.mark.parametrize("kind", ["dataset", "trajectories", "clusters", "selection", "study"])
def test_no_page_breaks_when_something_it_depends_on_is_damaged(visit, copied, kind):
    spoil(copied, kind, getattr(copied, kind), "edited")
    at = visit(copied.root, "overview")
    for page in PAGES:
        go(at, page)
        assert not at.exception, f"{page}: {at.exception[0].value}"
    at = visit(copied.root, kind, **{kind: getattr(copied, kind)})
    assert not at.exception, at.exception[0].value
    assert any("manifest" in e.value for e in at.error)


def test_unfinished_work_is_listed_and_can_be_deleted(visit, copied):
    draft = copied.workspace.draft("trajectories", name="half **done**", config={}, parents={})
    draft.lock.close()
    at = visit(copied.root, "overview")
    assert not at.exception
    assert f"{draft.id} · half **done**: unfinished" in words(at)
    fine(at.button(key=f"delete:{draft.id}").click().run())
    assert draft.id not in words(at)
    assert not draft.path.exists()


def test_a_link_to_nothing_says_so(visit, copied):
    at = visit(copied.root, "overview")
    for page in PAGES[1:]:
        at.switch_page(f"../pages/{page}.py")
        at.query_params.clear()
        at.query_params[page] = "20200101-000000000-beef"
        at.run()
        assert not at.exception, f"{page}: {at.exception[0].value}"
        (shown,) = at.error
        assert "20200101-000000000-beef" in unescaped(shown.value)


def test_a_workspace_that_cannot_be_made_says_so_instead_of_breaking(visit, tmp_path):
    file = tmp_path / "file"
    file.write_text("a file where the folder should be")
    at = visit(Workspace(file).root / "workspace", "overview")
    assert not at.exception
    press(at, "Run the demo")
    assert not at.exception
    (shown,) = at.error
    assert "could not be started" in shown.value


def test_the_tour_goes_from_page_to_page_and_does_not_come_back_once_stopped(visit, finished):
    at = visit(finished.root, "overview")
    assert "Tour:" not in words(at)
    press(at, "Show me around")
    assert f"Tour: 1 of {len(tour.STOPS)}" in words(at)
    fine(at.button(key="tour:next").click().run())
    assert (at.header[0].value, f"Tour: 2 of {len(tour.STOPS)}" in words(at)) == ("Dataset", True)
    at.button(key="tour:stop").click().run()
    assert "Tour:" not in words(go(at, "clusters"))
    assert "Tour:" not in words(go(at, "overview"))


def test_past_jobs_lie_open_where_the_newest_failed(visit, copied, tmp_path):
    (tmp_path / "noise.jsonl").write_bytes(bytes(range(256)) * 40)
    argv = ["dataset", "--path", str(tmp_path / "noise.jsonl")]
    id = jobs.submit(copied.workspace, argv, title="Import noise", device="none")
    assert jobs.wait(copied.workspace, id, 60).state == "failed"
    at = fine(visit(copied.root, "overview"))
    (past,) = [e for e in at.expander if e.label.startswith("Past jobs")]
    assert past.proto.expanded
    assert past.label.endswith(r"1 failed\)")
    assert "Import noise" in words(past)
