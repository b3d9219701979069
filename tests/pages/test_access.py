"""No field of a page starts anything with what a page may not name."""

import pytest

from core import finetune, jobs
from core.settings import to_argv
from tests.pages.conftest import fine, has_button, press, typed, unescaped

FIELDS = [
    ("trajectories", "trajectories:model", "Train proxy"),
    ("finetune", "finetune:model", "Start fine-tune"),
    ("finetune", "finetune:eval", "Start fine-tune"),
    ("study", "study:model", "Start study"),
    ("study", "study:eval", "Start study"),
]
TEXTS = ["/etc", "../../etc/passwd", "~/x", "file:///etc/passwd", "/dev/zero", "a\\b"]


@pytest.mark.parametrize(("page", "key", "start"), FIELDS)
def test_a_field_of_a_model_or_a_test_set_takes_no_path_outside(visit, copied, page, key, start):
    at = fine(visit(copied.root, page))
    assert has_button(at, start)
    for text in TEXTS:
        typed(at, key, text)
        assert not at.exception
        assert len(at.error) == 1, text
        assert not has_button(at, start)
    assert not jobs.jobs(copied.workspace)


def test_a_job_is_not_resumed_with_what_a_page_may_not_name(visit, copied, tmp_path):
    settings = finetune.Settings(selection=copied.selection, model=str(tmp_path), steps=1)
    argv = ["finetune", *to_argv(settings)]
    id = jobs.submit(copied.workspace, argv, title="From elsewhere", device="none")
    assert jobs.wait(copied.workspace, id, 60).state == "failed"
    at = visit(copied.root, "finetune", selection=copied.selection)
    press(at, "Try again")
    assert not at.exception
    assert any("Only files below" in unescaped(e.value) for e in at.error)
    assert len(jobs.jobs(copied.workspace)) == 1


def test_an_export_for_no_trainable_model_is_a_sentence(visit, copied):
    at = fine(visit(copied.root, "selection", selection=copied.selection))
    at.selectbox(key="export:format").set_value("messages").run()
    at.selectbox(key="export:config:messages").set_value("trl").run()
    at.text_input(key="export:model").set_value("scratch:tiny").run()
    assert not at.exception
    assert any("trl can load" in unescaped(e.value) for e in at.error)
