import dataclasses

import pytest

from core import finetune, jobs
from core.errors import InputError
from core.jobs import drafts
from core.settings import to_argv, to_config
from tests.core.jobs.conftest import UNTIL_STOP, spawn, started, until

SETTINGS = finetune.Settings(selection="20260101-1", model="scratch:tiny", steps=9, lr=0.01)


@pytest.fixture
def ended(workspace):
    """Return a job that ended without a result, of the settings above."""
    argv = ["finetune", *to_argv(SETTINGS)]
    id = jobs.submit(workspace, argv, title="A run", device="none")
    return jobs.wait(workspace, id, 60)


def begin(workspace, settings, **filled):
    config = {**to_config(settings), **filled}
    draft = workspace.draft("finetune", name="a", config=config, parents={"selection": "x"})
    draft.lock.close()
    return draft.id


def test_a_draft_is_found_by_what_its_job_was_asked(workspace, ended):
    other = dataclasses.replace(SETTINGS, lr=0.02)
    begin(workspace, other)
    assert jobs.draft_of(workspace, ended) is None
    mine = begin(workspace, SETTINGS, template="plain", max_length=64)
    begin(workspace, dataclasses.replace(SETTINGS, method="lora"))
    assert jobs.draft_of(workspace, ended).id == mine


def test_discarding_deletes_the_draft_and_the_record(workspace, ended):
    assert ended.state == "failed", "there is no such selection"
    again = [*("finetune", *to_argv(dataclasses.replace(SETTINGS, resume=True)))]
    jobs.wait(workspace, jobs.submit(workspace, again, title="Again", device="none"), 60)
    mine, other = (
        begin(workspace, SETTINGS),
        begin(workspace, dataclasses.replace(SETTINGS, seed=1)),
    )
    jobs.discard(workspace, ended.id)
    assert [e.id for e in workspace.entries("finetune")] == [other]
    assert mine != other
    assert not jobs.jobs(workspace)


def test_who_looks_after_a_job_discards_it_when_asked(workspace):
    id = spawn(workspace, UNTIL_STOP)
    started(workspace, id)
    with pytest.raises(InputError, match="stop it first"):
        drafts.discard(workspace, id)
    jobs.stop(workspace, id, discard=True)
    until(lambda: not jobs.jobs(workspace), 30)
