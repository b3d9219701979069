import dataclasses
import os

import pytest

from core import jobs
from core.errors import InputError
from core.jobs import devices
from core.jobs.record import lock_file
from tests.core.jobs.conftest import spawn

SMI = """#!/bin/sh
echo "0, GPU-aaaa-1, NVIDIA H200, 1024, 143771, 0"
echo "1, GPU-bbbb-2, NVIDIA H200, 2048, 143771, 37"
echo "2, GPU-cccc-3, NVIDIA A2, [N/A], [N/A], [N/A]"
"""


@pytest.fixture
def three(tmp_path, monkeypatch):
    """Put three GPUs into this machine, as the driver's program tells of them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "nvidia-smi").write_text(SMI)
    (folder / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv(devices.VISIBLE, raising=False)
    devices._gpus.cache_clear()
    yield
    devices._gpus.cache_clear()


def test_without_a_gpu_there_is_the_processor(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    devices._gpus.cache_clear()
    assert devices.devices() == ["cpu"]
    assert devices.choose([], "finetune") == "cpu"
    assert devices.environment("cpu") == {}, "nothing is changed where there is nothing to choose"
    with pytest.raises(InputError, match="there is no device cuda:0 here; there are cpu"):
        devices.environment("cuda:0")
    devices._gpus.cache_clear()


def test_each_gpu_is_a_device_by_its_index(three, monkeypatch):
    assert devices.devices() == ["cuda:0", "cuda:1", "cuda:2", "cpu"]
    first, second, third = devices.gpus()
    assert (first.title, first.used, second.busy) == ("NVIDIA H200", 1024 * 2**20, 0.37)
    assert (third.used, third.total, third.busy) == (None, None, None)
    assert devices.environment("cuda:1") == {devices.VISIBLE: "GPU-bbbb-2"}
    assert devices.environment("cuda:0,cuda:2") == {devices.VISIBLE: "GPU-aaaa-1,GPU-cccc-3"}
    assert devices.environment("cpu") == {devices.VISIBLE: ""}
    monkeypatch.setenv(devices.VISIBLE, "2,GPU-aaaa")
    assert [g.visible for g in devices.gpus()] == ["GPU-cccc-3", "GPU-aaaa-1"]
    monkeypatch.setenv(devices.VISIBLE, "")
    assert devices.devices() == ["cpu"]


def test_new_work_goes_where_fewest_jobs_are(three, workspace):
    blank = dict.fromkeys((f.name for f in dataclasses.fields(jobs.Job)), "")

    def job(device, state="running"):
        return jobs.Job(**blank | {"device": device, "state": state, "place": 0.0})

    busy = [job("cuda:0"), job("cuda:1,cuda:2"), job("cuda:1"), job("cuda:2", "done")]
    assert devices.choose([], "finetune") == "cuda:0"
    assert devices.choose(busy, "finetune") == "cuda:0"
    assert devices.choose([*busy, job("cuda:0", "queued")], "study") == "cuda:2"
    assert devices.choose(busy, "finetune", processes=2) == "cuda:0,cuda:2"
    assert devices.choose(busy, "finetune", processes=4) == "cpu"
    assert devices.choose(busy, "dataset") == "cpu"


def test_jobs_that_share_a_device_wait_for_each_other(workspace):
    held = lock_file_of(workspace, "cuda_0")
    both = spawn(workspace, "finish()", device="cuda:0,cuda:1")
    one = spawn(workspace, "finish()#", device="cuda:1")
    other = spawn(workspace, "finish()##", device="cuda:2")
    assert jobs.wait(workspace, other, 20).state == "done"
    assert jobs.status(workspace, both).state == "queued"
    assert jobs.status(workspace, one).ahead == 1
    os.close(held)
    assert jobs.wait(workspace, both, 20).state == "done"
    assert jobs.wait(workspace, one, 20).state == "done"


def test_a_worker_sees_its_device_alone(three, workspace):
    script = f'finish(message=os.environ.get("{devices.VISIBLE}", "all"))'
    argv = {"environment": devices.environment("cuda:1"), "device": "cuda:1"}
    id = spawn(workspace, script, **argv)
    assert jobs.wait(workspace, id, 20).message == "GPU-bbbb-2"


def lock_file_of(workspace, name):
    (workspace.root / "jobs").mkdir(parents=True, exist_ok=True)
    return lock_file(workspace.root / "jobs" / f"{name}.lock")
