import json
import os
import sys

import pytest
import streamlit as st

from core import finetune, jobs, run_file
from core.jobs.record import lock_file
from core.settings import identity, to_argv, to_config
from core.workspace.artifact import KINDS
from core.workspace.files import append_jsonl, write_json
from core.workspace.store import Workspace
from dashboard.finetune import as_file
from dashboard.frame.page_words import in_page_words
from tests.conftest import NAME
from tests.pages.conftest import button, fine, flags, go, has_button, press, unescaped, words


@pytest.fixture
def page(visit, copied):
    return fine(visit(copied.root, "finetune", selection=copied.selection))


def test_without_a_selection_it_says_what_to_do(visit, bare):
    at = fine(visit(bare.root, "finetune"))
    assert has_button(at, "Import a dataset")


def test_it_names_its_input_and_shows_the_run_so_far(page):
    assert f"selection: {NAME}" in words(page)
    facts = {m.label: unescaped(m.value) for m in page.metric}
    assert facts["Steps"].startswith("4 on 34 rows")
    assert facts["Exact match"].endswith("of 8)")
    assert len(page.dataframe[0].value) == 4, "its own and three of the study"


def test_a_fine_tune_damaged_since_it_was_listed_leaves_the_page_open(visit, copied, monkeypatch):
    listed = copied.workspace.entries()
    monkeypatch.setattr(
        Workspace, "recent", lambda _, *kinds: [e for e in listed if e.kind in (kinds or KINDS)]
    )
    (copied.workspace.find(copied.finetune) / "manifest.json").write_text("")
    fine(visit(copied.root, "finetune", selection=copied.selection))


def test_its_answers_can_be_read(page):
    assert len([t for t in page.text if t.value.startswith(("right", "wrong"))]) == 8


def test_a_bad_setting_shows_one_sentence_and_starts_nothing(page):
    page.text_input(key="finetune:lr").set_value("abc").run()
    (shown,) = page.error
    assert unescaped(shown.value) == "“Learning rate” takes a number or auto, not 'abc'"
    assert not page.exception
    assert not has_button(page, "Start fine-tune")


def test_it_starts_once_what_the_command_line_would_start_and_stops(visit, page, copied, busy):
    busy(copied.workspace)
    two = [page, visit(copied.root, "finetune", selection=copied.selection)]
    for at in two:
        at.selectbox(key="finetune:model").set_value("scratch:tiny")
        at.number_input(key="finetune:steps").set_value(9).run()
    for at in two:
        fine(press(at, "Start fine-tune"))
    (job,) = jobs.jobs(copied.workspace)
    assert flags(job) == [
        "finetune",
        "--selection",
        copied.selection,
        "--model",
        "scratch:tiny",
        "--steps",
        "9",
    ]
    assert job.command in words(page)
    assert button(page, "Start fine-tune").disabled
    fine(press(page, "Stop"))
    assert jobs.wait(copied.workspace, job.id, 20).state == "stopped"
    page.run()
    assert "Stopped" in words(page)
    assert "34 rows" in words(page)  # the run before still stands


def test_settings_survive_a_visit_to_another_page(page):
    page.number_input(key="finetune:steps").set_value(33).run()
    page.segmented_control(key="finetune:method").set_value("lora").run()
    go(page, "overview")
    fine(go(page, "finetune"))
    assert page.number_input(key="finetune:steps").value == 33
    assert page.segmented_control(key="finetune:method").value == "lora"


def test_no_steps_of_their_own_are_said_in_words_and_differ_from_a_presets(page):
    steps = page.number_input(key="finetune:steps")
    assert (steps.label, steps.value, steps.placeholder) == ("Steps", None, "auto")
    page.segmented_control(key="finetune-preset").set_value("quick").run()
    fine(page.number_input(key="finetune:steps").set_value(None).run())
    back = page.button(key="finetune-back:steps")
    assert "Steps: auto instead of 60" in unescaped(back.label)
    assert "= 60 steps" not in words(page)


def test_a_preset_fills_the_rest_and_what_differs_has_a_way_back(page):
    page.segmented_control(key="finetune-preset").set_value("quick").run()
    assert page.number_input(key="finetune:steps").value == 60
    assert page.number_input(key="finetune:batch_size").value == 16
    page.number_input(key="finetune:batch_size").set_value(9)
    page.number_input(key="finetune:seed").set_value(3).run()
    backs = [b.key for b in page.button if str(b.key).startswith("finetune-back:")]
    assert backs == ["finetune-back:batch_size"], "a seed is nobody's preset"
    page.selectbox(key="finetune:model").set_value("HuggingFaceTB/SmolLM2-135M-Instruct").run()
    assert page.number_input(key="finetune:steps").value == 20, "it fits the model"
    assert page.number_input(key="finetune:batch_size").value == 9, "a hand's value stays"
    assert "134.5M parameters" in words(page) or "135M parameters" in words(page)
    assert "licence apache-2.0" in words(page)
    fine(page.button(key="finetune-back:batch_size").click().run())
    assert page.number_input(key="finetune:batch_size").value == 8
    page.segmented_control(key="finetune-preset").set_value("paper").run()
    assert page.number_input(key="finetune:batch_size").value == 128
    assert page.text_input(key="finetune:lr").value == "2e-05"
    page.segmented_control(key="finetune:method").set_value("lora").run()
    assert page.text_input(key="finetune:lr").value == "auto"
    assert "QLoRA: not here" in words(page)
    assert "Answers to grade: 20 of 20" in words(page)
    assert "Length: 3 epochs = 3 steps of 34 rows" in words(page)


def test_a_file_fills_the_form_and_a_wrong_one_is_a_sentence(page, copied, monkeypatch):
    page.session_state["finetune-yaml:problem"] = "run.yaml: finetune has no setting lrr"
    page.run()
    assert [unescaped(e.value) for e in page.error] == ["run.yaml: finetune has no setting lrr"]
    del page.session_state["finetune-yaml:problem"]
    settings = finetune.Settings(
        selection=copied.selection, model="scratch:tiny", steps=7, lr=0.01, decode=3
    )
    file = run_file.write("finetune", settings).encode()
    with monkeypatch.context() as here:
        here.setattr(st, "query_params", {"selection": copied.selection})
        here.setattr(st, "session_state", found := {})
        as_file.load_bytes(file, "run.yaml")
    for key, value in found.items():
        page.session_state[key] = value
    fine(page.run())
    assert page.number_input(key="finetune:steps").value == 7
    fine(press(page, "Start fine-tune"))
    (job,) = jobs.jobs(copied.workspace)
    assert identity(jobs.settings_of(job)) == identity(settings), "the same run"


def test_a_failure_shows_its_name_cause_remedy_and_the_run_that_mends_it(page, copied, busy):
    argv = ["finetune", *to_argv(finetune.Settings(selection=copied.selection, lr=0.5, steps=3))]
    busy(copied.workspace)
    id = jobs.submit(copied.workspace, argv, title="Too fast")
    jobs.stop(copied.workspace, id)
    jobs.wait(copied.workspace, id, 20)
    status = copied.workspace.root / "jobs" / id / "status.json"
    status.write_text(json.dumps({"state": "failed", "message": "it is nan", "failure": "nan"}))
    page.run()
    (shown,) = page.error
    known = jobs.FAILURES["nan"]
    for part in (known.title, "it is nan", known.cause, known.remedy):
        assert in_page_words(part) in unescaped(shown.value)
    assert "The fix: learning rate 0.05" in words(page)
    press(page, "Retry with the fix")
    new = jobs.jobs(copied.workspace)[0]
    assert jobs.settings_of(new).lr == 0.05
    assert "Closing this tab" in words(page), "the run stands there, no old card"
    assert "it is nan" not in words(page)


def test_a_workspace_that_cannot_be_written_is_a_sentence(page, copied):
    (copied.root / "jobs").write_text("in the way")
    press(page, "Start fine-tune")
    assert not page.exception
    (shown,) = page.error
    assert unescaped(shown.value).startswith("The job could not be started:")


def test_the_fit_panel_says_what_a_run_takes_and_offers_what_fits(page, monkeypatch):
    """One opening: nothing tried, a try that fits, one that does not, with a press on what would."""
    from core.finetune import fit as trying
    from core.finetune.fit import Fit, Way
    from tests.core.finetune.test_forecast import MEASURED

    assert has_button(page, "Try it: memory, time, disk")
    size = {"device": 0.0, "host": 2.0**30}
    known = {**MEASURED, "peak": size, "room": {"device": 0.0, "host": 2.0**33}, "budget": 640}
    known |= {"checkpointing": False, "device": "cpu", "left_out": ["2 of 34 rows left out: why"]}
    monkeypatch.setattr(trying, "find", lambda *args: Fit(fits=True, measured=known, at=1e12))
    page.run()
    told = words(page)
    assert "Fits: 1.0 GiB of the 8.0 GiB" in told
    assert "At most 640 tokens go through the model at once" in told
    assert "free." in told
    assert "2 of 34 rows left out: why" in [unescaped(w.value) for w in page.warning]
    (minutes,) = [m for m in page.metric if m.label == "Time"]
    assert " to " in minutes.value
    page.text_input(key="finetune-fit:price").set_value("2.5").run()
    assert "at 2.5 an hour" in words(page)
    page.text_input(key="finetune-fit:price").set_value("much").run()
    assert unescaped(page.error[0].value) == "“Price an hour” takes a number, not 'much'"
    way = Way({"method": "lora", "max_length": 64}, "rows cut at 64 tokens, an adapter: 1 of 2")
    short = Fit(why="it is too **large**", ways=(way,), measured={}, at=1e12)
    monkeypatch.setattr(trying, "find", lambda *args: short)
    page.run()
    assert unescaped(page.error[0].value) == "Does not fit: it is too **large**."
    press(page, "Use rows cut at 64 tokens")
    assert not page.exception
    assert page.text_input(key="finetune:max_length").value == "64"
    assert page.session_state["finetune:method"] == "lora"
    monkeypatch.setattr(trying, "find", lambda *args: None)
    page.toggle(key="finetune-fit:rows").set_value(True).run()
    assert "rows are trained on" in words(fine(page))


@pytest.fixture
def at_work(copied):
    """Write what the files of a fine-tune at work say; it runs as long as the test."""
    settings = finetune.Settings(selection=copied.selection, model="scratch:tiny", steps=90)
    folder = copied.root / "jobs" / "20991231-000000000-abcd"
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "core", "finetune", *to_argv(settings)]
    spec = {"argv": [*argv, "--workspace", str(copied.root)], "title": "My run", "device": "cpu"}
    write_json(folder / "spec.json", spec)
    write_json(folder / "worker.json", {"started": "2099-12-31T00:00:00.000+00:00"})
    progress = {"stage": "train target", "step": 20, "total": 90, "left": 42.0, "time": 4e9}
    append_jsonl(folder / "progress.jsonl", {**progress, "loss": 1.25, "tokens/s": 987})
    draft = copied.workspace.draft(
        "finetune",
        name="a",
        config={**to_config(settings), "lr": 0.003},
        parents={"selection": copied.selection},
    )
    for step in (10, 20):
        line = {"step": step, "loss": 2.0, "lr": 0.003, "grad_norm": 0.5, "memory": 2**30}
        append_jsonl(draft.path / "metrics.jsonl", {**line, "tokens": step * 99, "seconds": step})
    said = {"prompt": "Two and two?", "answer": "4", "said": "five **bold**"}
    append_jsonl(draft.path / "looks.jsonl", {"step": 20, "loss": 1.5, "answers": [said]})
    lock = lock_file(folder / "lock")
    stopped = finetune.Settings(selection=copied.selection, model="scratch:tiny", steps=80)
    old = copied.root / "jobs" / "20991230-000000000-abcd"
    old.mkdir()
    argv = [sys.executable, "-m", "core", "finetune", *to_argv(stopped)]
    write_json(old / "spec.json", {**spec, "argv": [*argv, "--workspace", str(copied.root)]})
    write_json(old / "status.json", {"state": "stopped", "message": "stopped at step 5 of 80"})
    append_jsonl(old / "progress.jsonl", {**progress, "saved": 5})
    left = copied.workspace.draft("finetune", name="b", config=to_config(stopped), parents={})
    left.lock.close()
    yield
    os.close(lock)
    draft.lock.close()


def test_a_run_that_does_not_respond_is_said_not_to(visit, copied, at_work):
    folder = copied.root / "jobs" / "20991231-000000000-abcd"
    progress = {"stage": "train target", "step": 20, "total": 90, "left": 4200.0}
    append_jsonl(folder / "progress.jsonl", {**progress, "time": 1e9})
    for file in folder.iterdir():
        os.utime(file, (1e9, 1e9))
    page = fine(visit(copied.root, "finetune", selection=copied.selection))
    assert "not responding: no sign of life for" in words(page)
    assert "My run · train target: 20 of 90 · not responding" in words(page), "in the sidebar, too"
    assert "Time left" not in [m.label for m in page.metric]
    assert "s left" not in words(page)


def test_a_run_at_work_shows_what_its_files_say(visit, copied, at_work):
    page = fine(visit(copied.root, "finetune", selection=copied.selection))
    facts = {m.label: unescaped(m.value) for m in page.metric}
    assert facts == {
        "Training loss": "1.250",
        "Held\\-out loss": "1.500",
        "Learning rate": "0.003",
        "Gradient norm": "0.5",
        "Tokens\\/s": "987",
        "Memory of the run": "1.00 GiB",
        "Time left": facts["Time left"],
    }
    for text in ("My run on cpu", "train target: 20 of 90", "Closing this tab", "five **bold**"):
        assert text in words(page)
    axis = page.segmented_control(key="finetune-axis:3")
    fine(axis.set_value("tokens").run())
    drawn = [json.loads(c.proto.spec) for c in page.get("plotly_chart")]
    assert drawn[0]["layout"]["xaxis"]["title"]["text"] == "tokens trained on"
    assert len(drawn) == 4, "losses, rate, norm, memory"
    beside = page.multiselect(key="finetune-beside:20991231-000000000-abcd")
    beside.set_value([copied.finetune]).run()
    drawn = json.loads(fine(page).get("plotly_chart")[0].proto.spec)
    assert any("training" in a["text"] for a in drawn["layout"]["annotations"])
    assert has_button(page, "Stop and keep")
    assert has_button(page, "Discard this run")
    assert has_button(page, "Resume from step 5"), "stopped before, and not lost from sight"
    page.query_params["finetune"] = copied.finetune
    fine(page.run())
    assert "After the training" in words(page), "a finished one can be opened meanwhile"
    press(page, "Watch My run, which is running")
    assert "Closing this tab" in words(fine(page))
