import json
import os

import numpy as np
import pytest

from core import dataset, jobs
from core.training import shorter_runs
from core.trajectories import proxy_warnings
from core.workspace.files import append_jsonl, write_json
from dashboard.escape import plain
from dashboard.frame import data
from tests.conftest import NAME, write
from tests.pages.conftest import button, fine, flags, go, has_button, press, typed, unescaped, words


@pytest.fixture
def page(visit, copied):
    return fine(visit(copied.root, "trajectories"))


def test_without_a_dataset_it_says_what_to_do(visit, bare):
    at = fine(visit(bare.root, "trajectories"))
    assert has_button(at, "Import a dataset")


def test_it_names_its_inputs_and_counts_what_was_measured(page):
    assert f"dataset: {NAME}" in words(page)
    assert "trajectories: " in words(page)
    assert "of 160" in next(m.value for m in page.metric if m.label == "Measured")


def test_a_bad_setting_shows_one_sentence_and_starts_nothing(page):
    page.text_input(key="trajectories:lr").set_value("abc").run()
    assert not page.exception
    (shown,) = page.error
    assert unescaped(shown.value) == "“Learning rate” takes a number or auto, not 'abc'"
    assert not has_button(page, "Train proxy")
    fine(page.text_input(key="trajectories:lr").set_value("0.001").run())
    assert has_button(page, "Train proxy")


def test_a_browser_that_joins_at_a_later_run_shows_the_value_that_counts(page):
    """Until it is touched, a browser shows the default it is sent, which no run may change."""
    for name in ("model", "schedule", "record", "template"):
        box = page.selectbox(key=f"trajectories:{name}")
        assert box.proto.default == box.index
    fine(page.run())
    for name in ("model", "schedule", "record", "template"):
        box = page.selectbox(key=f"trajectories:{name}")
        assert box.proto.default == box.index


def test_training_starts_once_what_the_command_line_would_start_and_stops(
    visit, page, copied, busy
):
    busy(copied.workspace)
    two = [page, visit(copied.root, "trajectories")]
    for at in two:
        at.selectbox(key="trajectories:model").set_value("scratch:tiny")
        at.number_input(key="trajectories:checkpoints").set_value(3)
        at.text_input(key="trajectories:epochs").set_value("1").run()
    assert "--epochs 1.0 --checkpoints 3" in words(page)  # the command shown
    for at in two:
        fine(press(at, "Train proxy"))
    (job,) = jobs.jobs(copied.workspace)
    assert flags(job) == [
        "trajectories",
        "--dataset",
        copied.dataset,
        "--model",
        "scratch:tiny",
        "--epochs",
        "1.0",
        "--checkpoints",
        "3",
    ]
    assert job.command in words(page)
    assert "Waiting" in words(page)
    assert button(page, "Train proxy").disabled
    fine(press(page, "Stop"))
    assert jobs.wait(copied.workspace, job.id, 20).state == "stopped"
    page.run()
    assert "Stopped" in words(page)
    assert has_button(page, "Resume")
    assert not button(page, "Train proxy").disabled


def test_the_list_of_proxies_says_size_and_what_may_be_typed(page):
    """Streamlit takes a bare `:small` of a help text for markup and leaves it out."""
    proxies = page.selectbox(key="trajectories:model")
    assert proxies.options[:2] == ["tiny from scratch · 290K", "small from scratch · 2.1M"]
    assert plain("scratch:small") in proxies.help
    assert "before a run of more than 30 minutes you are asked" in words(page)


def test_a_long_run_is_no_failure_but_a_choice(visit, page, copied, busy):
    """What the worker leaves when its micro-run finds a run long becomes buttons that start it."""
    argv = ["trajectories", "--dataset", copied.dataset, "--model", "/nowhere"]
    id = jobs.submit(copied.workspace, argv, title="Proxy")
    assert jobs.wait(copied.workspace, id, 60).state == "failed"
    page.run()
    assert has_button(page, "Try again")
    ways = shorter_runs.propose(
        7200,
        3000,
        epochs=6,
        rows=123,
        parameters=2e6,
        smaller={"scratch:tiny": 2e5},
    )
    found = {"seconds": [5400, 7200], "ways": ways, "text": "", "refused": True}
    write_json(copied.root / "jobs" / id / "estimate.json", found)
    fine(page.run())
    assert "this run takes 1 h 30 min to 2 h 0 min" in words(page)
    assert not has_button(page, "Try again")
    assert has_button(page, "Begin as it is: 1 h 30 min to 2 h 0 min")
    busy(copied.workspace)
    fine(press(page, "Train 1 epoch: at most 1 h 1 min"))
    started = jobs.jobs(copied.workspace)[0]
    assert "--epochs" in started.argv
    assert "--accept-long" in started.argv
    assert page.text_input(key="trajectories:epochs").value == "1"
    assert "Waiting" in words(page)


@pytest.fixture
def going(visit, page, copied, busy):
    """A run in its middle, as its files tell: return the page, the run's folder and the job."""
    busy(copied.workspace)
    argv = ["trajectories", "--dataset", copied.dataset, "--model", "scratch:tiny"]
    job = copied.workspace.root / "jobs" / jobs.submit(copied.workspace, argv, title="Proxy")
    parents = {"dataset": copied.dataset}
    older = copied.workspace.draft("trajectories", name="older", config={}, parents=parents)
    append_jsonl(older.path / "metrics.jsonl", {"step": 5000, "loss": 9.0, "lr": 1.0})
    draft = copied.workspace.draft("trajectories", name="run", config={}, parents=parents)
    older.lock.close()
    draft.lock.close()
    newest = copied.workspace.draft("trajectories", name="newest", config={}, parents=parents)
    newest.lock.close()
    return fine(page.run()), draft, job


def numbers(at):
    return {m.label: m.value for m in at.metric}


def drawn(at):
    """Return the figures on the page, as Plotly gets them."""
    return [json.loads(c.proto.spec) for c in at.get("plotly_chart")]


def shape(at):
    """Return what decides the layout: kinds of elements in order, and heights of charts."""
    kinds = [(e.type, drawn_height(e)) for e in at.main if e.type != "button"]
    return kinds, [c["layout"]["height"] for c in drawn(at)], list(numbers(at))


def drawn_height(element):
    return getattr(getattr(element, "proto", None), "height", None)


def test_a_run_is_watched_from_before_its_first_number(going):
    at, draft, job = going
    assert set(numbers(at)) == {"Recordings", "Rows/s", "Tokens/s", "Time left", "Flagged rows"}
    assert set(numbers(at).values()) == {"–"}
    assert "Tokenizing comes first" in words(at)
    empty = shape(at)

    start = {"rows": 16386, "trained": 16000, "tokens": 2_000_000, "truncated": 12}
    start |= {"no_response": 3, "max_length": 237, "steps": 90, "tokenize_seconds": 2.0}
    write_json(job / proxy_warnings.START, {"id": draft.id, **start})
    write_json(draft.path / "plan.json", {"steps": [0, 30, 60, 90]})
    column = {"column": 0, "step": 0, "seconds": 10.0, "quantiles": [5.0, 5.5, 6.0, 6.5, 7.0]}
    append_jsonl(draft.path / "columns.jsonl", column)
    fine(at.run())
    assert numbers(at) == {
        "Recordings": "1 of 4",
        "Rows/s": "1,600",
        "Tokens/s": "200,000",
        "Time left": "–",
        "Flagged rows": "15",
    }
    assert "12 of 16,386 rows cut at 237 tokens · 3 without a response token" in words(at)
    assert shape(at) == empty

    append_jsonl(draft.path / "columns.jsonl", {**column, "column": 1, "step": 30})
    for step in (1, 31):
        append_jsonl(draft.path / "metrics.jsonl", {"step": step, "loss": 6.0 / step, "lr": 1.0})
    trained = {"stage": "train proxy", "step": 31, "total": 90, "left": 125.0, "rows/s": 812}
    append_jsonl(job / "progress.jsonl", {**trained, "tokens/s": 99_000, "time": 0.0})
    fine(at.run())
    assert numbers(at) == {
        "Recordings": "2 of 4",
        "Rows/s": "812",
        "Tokens/s": "99,000",
        "Time left": "2 min 5 s",
        "Flagged rows": "15",
    }
    assert "Speed while training" in words(at)
    assert shape(at) == empty
    ribbon, loss = drawn(at)
    assert ribbon["layout"]["xaxis"]["range"] == loss["layout"]["xaxis"]["range"] == [0, 90]
    assert ribbon["data"][-1]["x"] == [0, 30]  # recorded
    assert ribbon["data"][-2]["x"] == [60, 90]  # to come
    assert loss["data"][0]["x"] == [1, 31], "of this run, not of another unfinished one"


def test_a_recording_says_its_own_speed(going):
    at, draft, job = going
    start = {"rows": 10, "trained": 9, "tokens": 90, "truncated": 0, "no_response": 1}
    write_json(job / proxy_warnings.START, {"id": draft.id, **start, "max_length": 20, "steps": 5})
    for stage, rate in (("train proxy", 812), ("record 2/4", 3450)):
        record = {"stage": stage, "step": 3, "total": 9, "left": 4.0, "time": 0.0}
        append_jsonl(job / "progress.jsonl", {**record, "rows/s": rate, "tokens/s": 10 * rate})
    fine(at.run())
    assert numbers(at)["Rows/s"] == "3,450"
    assert "Speed while recording" in words(at)
    write_json(job / "worker.json", {"started": "2001-09-09T01:46:40.000+00:00"})
    for file in job.iterdir():
        os.utime(file, (1e9, 1e9))
    fine(at.run())
    (job / "worker.json").unlink()
    assert numbers(at)["Time left"] == "–", "of one that does not respond nobody knows"
    assert "not responding: no sign of life" in words(at)


def test_an_import_is_no_training_to_watch(page, copied, busy, tmp_path, monkeypatch):
    busy(copied.workspace)
    np.save(tmp_path / "x.npy", np.zeros((3, 3)))
    monkeypatch.setenv("S2L_DATA", str(tmp_path))
    fine(typed(page, "trajectories:source", "x.npy"))
    press(page, "Import losses")
    fine(page.run())
    assert "Waiting" in words(page)
    assert "Rows/s" not in numbers(page)


def edit(copied, monkeypatch, **changed):
    """Let the trajectories' summary say something else."""
    whole = type(copied.workspace).open

    def opened(self, wanted, *kinds):
        artifact = whole(self, wanted, *kinds)
        if artifact.id == copied.trajectories:
            artifact.summary.update(changed)
            for key in [k for k, v in changed.items() if v is None]:
                del artifact.summary[key]
        return artifact

    monkeypatch.setattr(type(copied.workspace), "open", opened)


def test_a_sound_run_has_no_warning(page):
    assert not page.warning


def test_doubts_stand_above_the_picture_each_with_a_remedy(visit, copied, monkeypatch):
    edit(copied, monkeypatch, first_loss=3.0, final_loss=2.9, truncated=20, not_finite=2)
    at = fine(visit(copied.root, "trajectories", trajectories=copied.trajectories))
    assert len(at.warning) == 3
    for text in (
        "hardly learned",
        "Raise “Learning rate” (now 0.003)",
        "20 of 160 rows (12%)",
        "not finite",
    ):
        assert text in words(at)
    order = [e.type for e in at.main if e.type in ("alert", "warning", "plotly_chart")]
    assert order[:4] == ["warning"] * 3 + ["plotly_chart"]


def test_the_time_is_split_into_what_it_went_for(visit, copied, monkeypatch):
    parts = {"tokenize_seconds": 3.0, "train_seconds": 420.0, "record_seconds": 300.0}
    edit(copied, monkeypatch, **parts)
    at = fine(visit(copied.root, "trajectories", trajectories=copied.trajectories))
    bar = drawn(at)[1]
    assert [trace["x"] for trace in bar["data"]] == [[3.0], [420.0], [300.0]]
    assert "Took 12 min" in bar["layout"]["annotations"][0]["text"]
    assert "Took" not in numbers(at)


def test_an_artifact_without_the_split_says_what_it_took_in_all(visit, copied, monkeypatch):
    edit(copied, monkeypatch, train_seconds=None)
    at = fine(visit(copied.root, "trajectories", trajectories=copied.trajectories))
    assert numbers(at)["Took"].endswith(" s")


def test_the_next_step_is_the_one_primary_button(visit, copied, page):
    def primary(at):
        return [b.label for b in at.button if b.proto.type == "primary"]

    assert primary(page) == ["See the clusters"]
    fresh = dataset.run(
        copied.workspace,
        dataset.Settings(
            path=str(write(copied.root / "few.jsonl", [{"question": "1?", "answer": "1"}] * 3))
        ),
    )
    at = fine(visit(copied.root, "trajectories", dataset=fresh))
    assert primary(at) == ["Train proxy"]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch, finished):
    """A folder the server may read, with losses of the right number of rows."""
    folder = tmp_path / "allowed"
    folder.mkdir()
    monkeypatch.setenv("S2L_DATA", str(folder))
    rows = finished.rows
    np.save(
        folder / "mine.npy", np.linspace(5, 1, 3, dtype=np.float32) * np.ones((rows, 1), np.float32)
    )
    np.save(tmp_path / "secret.npy", np.ones((rows, 3), np.float32))
    return folder


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../secret.npy", "Only files below"),
        ("/etc", "Only files below"),
        ("absent.npy", "There is no file"),
    ],
)
def test_only_what_lies_in_the_allowed_folder_can_be_imported(page, elsewhere, path, why):
    typed(page, "trajectories:source", path)
    assert not page.exception
    (shown,) = page.error
    assert why in shown.value
    assert "mine.npy" in page.selectbox(key="trajectories:source").options
    assert not has_button(page, "Import losses")


def test_losses_from_elsewhere_are_imported_by_a_job_and_shown(page, copied, elsewhere):
    fine(typed(page, "trajectories:source", "mine.npy"))
    source = str(elsewhere / "mine.npy")
    assert f"--source {source}" in words(page)
    fine(press(page, "Import losses"))
    (job,) = jobs.jobs(copied.workspace)
    assert flags(job) == ["trajectories", "--dataset", copied.dataset, "--source", source]
    assert job.title == "Losses of mine.npy"
    ended = jobs.wait(copied.workspace, job.id, 90)
    assert ended.state == "done", ended.message
    fine(page.run())
    assert page.query_params["trajectories"] == ended.result
    assert numbers(page)["Recordings"] == "3 in 3 steps"
    assert numbers(page)["Mean loss"] == "5.00 → 1.00"


def test_a_link_to_older_trajectories_is_kept_when_newer_ones_were_made(
    visit, page, copied, elsewhere
):
    typed(page, "trajectories:source", "mine.npy")
    press(page, "Import losses")
    (job,) = jobs.jobs(copied.workspace)
    newer = jobs.wait(copied.workspace, job.id, 90).result
    older = fine(visit(copied.root, "trajectories", trajectories=copied.trajectories))
    assert older.query_params["trajectories"] == copied.trajectories
    assert fine(page.run()).query_params["trajectories"] == newer
    page.query_params["trajectories"] = copied.trajectories
    assert fine(page.run()).query_params["trajectories"] == copied.trajectories


def test_settings_survive_a_visit_to_another_page(page):
    page.text_input(key="trajectories:epochs").set_value("2.5").run()
    page.selectbox(key="trajectories:model").set_value("scratch:tiny").run()
    page.number_input(key="trajectories:seed").set_value(7).run()
    go(page, "overview")
    fine(go(page, "trajectories"))
    assert page.text_input(key="trajectories:epochs").value == "2.5"
    assert page.selectbox(key="trajectories:model").value == "scratch:tiny"
    assert page.number_input(key="trajectories:seed").value == 7


def test_the_next_step_is_the_clusters_of_these(page, copied):
    fine(press(page, "See the clusters"))
    assert page.header[0].value == "Clusters"
    assert page.query_params["trajectories"] == copied.trajectories


def test_inputs_belong_together(visit, copied, tmp_path):
    """A link to trajectories shows their dataset; another dataset does not show them."""
    other = write(tmp_path / "other.jsonl", [{"question": "1?", "answer": "1"}] * 3)
    newer = dataset.run(copied.workspace, dataset.Settings(path=str(other), name="the newer one"))
    at = fine(visit(copied.root, "trajectories", trajectories=copied.trajectories))
    assert f"dataset: {NAME}" in words(at)
    assert "trajectories: " in words(at)
    at = fine(visit(copied.root, "trajectories", dataset=newer))
    assert "dataset: the newer one" in words(at)
    assert "trajectories: " not in words(at)
    at = fine(visit(copied.root, "clusters", clusters=copied.clusters))
    assert f"dataset: {NAME}" in words(at)


def test_an_edit_and_a_press_that_arrive_together_start_what_is_shown(page, copied, busy):
    """A press right after typing: the browser sends both, and the last edit must count."""
    busy(copied.workspace)
    page.text_input(key="trajectories:epochs").set_value("7")
    fine(press(page, "Train proxy"))
    (job,) = jobs.jobs(copied.workspace)
    argv = flags(job)
    assert argv[argv.index("--epochs") + 1] == "7.0"


def test_rare_sources_are_drawn_together(visit, copied):
    fine(visit(copied.root, "trajectories"))
    means, counts = data.by_source(copied.trajectories, 2)
    n = data.flags(copied.trajectories)["source"].nunique()
    assert f"{n - 1} other sources" in counts
    assert len(means) == 2
    assert int(counts.sum()) == int((data.flags(copied.trajectories)["flag"] == "").sum())
