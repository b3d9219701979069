import pytest

from core import dataset, estimate, jobs
from core.files import write_json
from tests.conftest import NAME, write_jsonl
from tests.pages.conftest import button, fine, flags, go, has_button, press, words


@pytest.fixture
def page(visit, shop):
    return fine(visit(shop.root, "trajectories"))


def test_without_a_dataset_it_says_what_to_do(visit, bare):
    at = fine(visit(bare.root, "trajectories"))
    assert has_button(at, "Import a dataset")


def test_it_names_its_inputs_and_counts_what_was_measured(page):
    assert f"dataset: {NAME}" in words(page)
    assert "trajectories: " in words(page)
    assert "of 130" in next(m.value for m in page.metric if m.label == "Measured")


def test_a_bad_setting_shows_one_sentence_and_starts_nothing(page):
    page.text_input(key="trajectories:lr").set_value("abc").run()
    assert not page.exception
    (shown,) = page.error
    assert shown.value == "--lr takes a number or auto, not 'abc'"
    assert not has_button(page, "Train proxy")
    fine(page.text_input(key="trajectories:lr").set_value("0.001").run())
    assert has_button(page, "Train proxy")


def test_training_starts_once_what_the_command_line_would_start_and_stops(visit, page, shop, busy):
    busy(shop.workspace)
    two = [page, visit(shop.root, "trajectories")]
    for at in two:
        at.selectbox(key="trajectories:model").set_value("scratch:tiny")
        at.number_input(key="trajectories:checkpoints").set_value(3)
        at.text_input(key="trajectories:epochs").set_value("1").run()
    assert "--epochs 1.0 --checkpoints 3" in words(page)  # the command shown
    for at in two:
        fine(press(at, "Train proxy"))
    (job,) = jobs.jobs(shop.workspace)
    assert flags(job) == [
        "trajectories", "--dataset", shop.dataset, "--model", "scratch:tiny",
        "--epochs", "1.0", "--checkpoints", "3",
    ]  # fmt: skip
    assert job.command in words(page)
    assert "Waiting" in words(page)
    assert button(page, "Train proxy").disabled
    fine(press(page, "Stop"))
    assert jobs.wait(shop.workspace, job.id, 20).state == "stopped"
    page.run()
    assert "Stopped" in words(page)
    assert has_button(page, "Resume")
    assert not button(page, "Train proxy").disabled


def test_a_long_run_is_no_failure_but_a_choice(visit, page, shop, busy):
    """What the worker leaves when its micro-run finds a run long becomes buttons that start it."""
    argv = ["trajectories", "--dataset", shop.dataset, "--model", "/nowhere"]
    id = jobs.submit(shop.workspace, argv, title="Proxy")
    assert jobs.wait(shop.workspace, id, 60).state == "failed"
    ways = estimate.propose(
        estimate.Estimate(low=5400, high=7200, recording=3000, memory=0, disk=0),
        epochs=6, rows=123, parameters=2e6, smaller={"scratch:tiny": 2e5},
    )  # fmt: skip
    found = {"seconds": [5400, 7200], "ways": ways, "text": "", "refused": True}
    write_json(shop.root / "jobs" / id / "estimate.json", found)
    fine(page.run())
    assert "this run takes 1 h 30 min to 2 h 0 min" in words(page)
    assert not has_button(page, "Resume")
    assert has_button(page, "Begin as it is: 1 h 30 min to 2 h 0 min")
    busy(shop.workspace)
    fine(press(page, "Train 1 epoch: at most 1 h 1 min"))
    started = jobs.jobs(shop.workspace)[0]
    assert "--epochs" in started.argv
    assert "--accept-long" in started.argv
    assert page.text_input(key="trajectories:epochs").value == "1"
    assert "Waiting" in words(page)


def test_settings_survive_a_visit_to_another_page(page):
    page.text_input(key="trajectories:epochs").set_value("2.5").run()
    page.selectbox(key="trajectories:model").set_value("scratch:tiny").run()
    page.number_input(key="trajectories:seed").set_value(7).run()
    go(page, "overview")
    fine(go(page, "trajectories"))
    assert page.text_input(key="trajectories:epochs").value == "2.5"
    assert page.selectbox(key="trajectories:model").value == "scratch:tiny"
    assert page.number_input(key="trajectories:seed").value == 7


def test_the_next_step_is_the_clusters_of_these(page, shop):
    fine(press(page, "See the clusters"))
    assert page.header[0].value == "Clusters"
    assert page.query_params["trajectories"] == shop.trajectories


def test_inputs_belong_together(visit, shop, tmp_path):
    """A link to trajectories shows their dataset; another dataset does not show them."""
    other = write_jsonl(tmp_path / "other.jsonl", [{"question": "1?", "answer": "1"}] * 3)
    newer = dataset.run(shop.workspace, dataset.Settings(path=str(other), name="the newer one"))
    at = fine(visit(shop.root, "trajectories", trajectories=shop.trajectories))
    assert f"dataset: {NAME}" in words(at)
    assert "trajectories: " in words(at)
    at = fine(visit(shop.root, "trajectories", dataset=newer))
    assert "dataset: the newer one" in words(at)
    assert "trajectories: " not in words(at)
    at = fine(visit(shop.root, "clusters", clusters=shop.clusters))
    assert f"dataset: {NAME}" in words(at)
