"""Failures have names, and a run that failed so can be tried again with what mends it."""

import errno

import pytest
import torch

from core import jobs
from core.errors import InputError
from core.finetune.settings import Settings
from core.jobs import failures, process_group
from core.jobs.files import outcome
from core.settings import to_argv
from tests.core.jobs.conftest import spawn


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (InputError("loss is nan", failure="nan"), "nan"),
        (raised(ValueError("x"), InputError("y", failure="bad-row")), "bad-row"),
        (MemoryError(), "host-memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "host-memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "device-memory"),
        (RuntimeError("MPS backend out of memory"), "device-memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk-full"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "cuda-error"),
        (RuntimeError("[gloo] Connection closed by peer [127.0.0.1]"), "lost-process"),
        (KeyError("w"), ""),
        (InputError("no such flag"), ""),
    ],
)
def test_an_error_has_its_name(error, name):
    assert failures.name_of(error) == name
    assert name in ("", *failures.FAILURES)


SETTINGS = Settings(selection="s", gradient_checkpointing=True, micro_batch=1, method="lora")


@pytest.mark.parametrize(
    ("name", "settings", "fix", "changed"),
    [
        ("device-memory", Settings(selection="s"), {}, ["--micro-batch", "1"]),
        ("device-memory", SETTINGS, {}, ["--max-length", "512"]),
        ("nan", Settings(selection="s", lr=0.5), {}, ["--lr", "0.05"]),
        ("nan", Settings(selection="s"), {"lr": 2e-6}, ["--lr", "2e-06"]),
        ("disk-full", Settings(selection="s", keep_every=5), {}, []),
        ("disk-full", Settings(selection="s"), {}, None),
        ("no-template", Settings(selection="s"), {}, ["--template", "alpaca"]),
        ("nan", Settings(selection="s"), {"of_another_version": 1}, None),
        ("cuda-error", Settings(selection="s"), {}, None),
        ("", Settings(selection="s"), {}, None),
    ],
)
def test_settings_that_mend_it(name, settings, fix, changed):
    mended = failures.mended(name, settings, fix)
    assert (mended is None) == (changed is None)
    if changed is not None:
        assert set(changed) <= set(to_argv(mended))
        assert mended != settings


def test_a_smaller_step_down_is_always_left():
    settings = Settings(selection="s")
    for _ in range(4):
        settings = failures.mended("host-memory", settings, {})
    assert (settings.method, settings.max_length) == ("lora", 256)


def test_a_job_tells_the_name_and_is_tried_again_mended(bare, busy):
    busy(bare)
    argv = ["finetune", "--selection", "s", "--lr", "0.5"]
    id = jobs.submit(bare, argv, title="Fine-tune")
    folder = bare.root / "jobs" / id
    jobs.stop(bare, id)
    jobs.wait(bare, id, 20)
    assert jobs.fixed(jobs.status(bare, id)) is None
    with pytest.raises(InputError, match="no failure that a setting mends"):
        jobs.retry(bare, id)
    told = '{"state": "failed", "result": "", "message": "m", "failure": "nan", "fix": {"lr": 0.1}}'
    (folder / "status.json").write_text(told)
    job = jobs.status(bare, id)
    assert (job.failure, job.fix) == ("nan", {"lr": 0.1})
    again = jobs.settings_of(jobs.status(bare, jobs.retry(bare, id)))
    assert (again.lr, again.resume) == (0.1, True)


def test_a_killed_worker_has_a_name(bare):
    script = "os.kill(os.getpid(), signal.SIGKILL)"
    job = jobs.wait(bare, spawn(bare, script, device=""), 20)
    assert (job.state, job.failure) == ("lost", "host-memory")


def test_the_name_reaches_other_processes(tmp_path, monkeypatch):
    monkeypatch.setenv(process_group.OUTCOMES, str(tmp_path))
    process_group.tell(outcome("failed", message="m", failure="nan", fix={"lr": 1.0}))
    assert '"failure":"nan"' in (tmp_path / "0.json").read_text().replace(" ", "").replace("\n", "")


def test_every_failure_says_cause_and_remedy():
    for name, failure in failures.FAILURES.items():
        assert failure.name == name
        assert failure.cause.endswith(".")
        assert failure.remedy.endswith(".")
