"""An ended run, started again."""

import pytest

from core import finetune, jobs


def test_a_stopped_run_is_resumed_as_it_was_asked_for(workspace, busy):
    busy(workspace)
    argv = [
        "finetune",
        "--selection",
        "resume",
        "--model=scratch:tiny",
        "--epochs",
        "2",
        "--seed",
        "1",
    ]
    id = jobs.submit(workspace, argv, title="Tune", user="ann")
    jobs.stop(workspace, id)
    assert jobs.wait(workspace, id, 20).state == "stopped"
    again = jobs.status(workspace, jobs.resume(workspace, id))
    asked = finetune.Settings(
        selection="resume", model="scratch:tiny", epochs=2, seed=1, resume=True
    )
    assert jobs.settings_of(again) == asked
    assert (again.title, again.user, again.device) == ("Tune", "ann", "cpu")
    assert jobs.resume(workspace, id) == again.id, "pressed twice, it starts once"
    other = jobs.submit(workspace, ["layout", "--trajectories", "x"], title="Map")
    with pytest.raises(ValueError, match="Map cannot be resumed"):
        jobs.resume(workspace, other)
    assert jobs.saved_step(workspace, id) == 0
