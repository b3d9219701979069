"""What is told of every step."""

import pathlib

import pytest

from core.errors import InputError
from core.training.reporting import RunLog, check_trackers


def test_a_tracker_that_is_not_installed_is_said_before_anything_is_trained():
    assert check_trackers("") == []
    with pytest.raises(InputError, match="--report-to mlflow needs the package mlflow"):
        check_trackers("mlflow")


@pytest.mark.parametrize("name", ["wandbb", "json", "mlflow.pyfunc"])
def test_no_package_of_a_mistyped_name_is_offered(name):
    with pytest.raises(InputError, match=f"takes wandb, mlflow, trackio, not '{name}'"):
        check_trackers(name)


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="Linux has a disk that is full")
def test_a_full_disk_under_tensorboards_file_ends_the_run_and_no_thread_waits(tmp_path):
    report = RunLog(tmp_path, 100, tensorboard=True)
    (file,) = (tmp_path / "tensorboard").iterdir()
    report.add({"step": 1, "loss": 2.0})
    assert b"train/loss" in file.read_bytes(), "written at once"
    with pathlib.Path("/dev/full").open("wb", buffering=0) as full:
        report.writer._py_recordio_writer._writer = full
        with pytest.raises(OSError, match="No space left"):
            report.add({"step": 2, "loss": 2.0})
