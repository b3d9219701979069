import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from core.jobs import process_group
from core.trajectories import run
from core.trajectories.artifact import load_losses, load_steps
from core.trajectories.settings import Settings
from core.workspace.files import ROOT, read_jsonl
from core.workspace.store import Workspace
from tests.conftest import TRAIN


@pytest.fixture(scope="module")
def one(finished):
    return finished.workspace.open(finished.trajectories)


def settings(finished, **changes):
    return Settings(
        **{**TRAIN, "dataset": finished.dataset, "map": False, "processes": 2, **changes}
    )


def test_two_processes_give_what_one_gives(finished, one):
    """The weights after training agree, so the recordings do; the first is of the same weights."""
    two = finished.workspace.open(
        run(finished.workspace, settings(finished, keep_checkpoints=True))
    )
    assert load_steps(two).tolist() == load_steps(one).tolist()
    a, b = load_losses(one), load_losses(two)
    assert (np.isnan(a) == np.isnan(b)).all()
    np.testing.assert_allclose(a[:, 0], b[:, 0], atol=1e-5)
    np.testing.assert_allclose(a, b, atol=1e-3)
    pooled = [np.load(t.path / "pooled.npy").astype(np.float32) for t in (one, two)]
    np.testing.assert_allclose(*pooled, atol=2e-2)
    assert two.summary["measured"] == one.summary["measured"]
    kept = {p.name for p in (two.path / "kept").iterdir()}
    assert kept == {f"checkpoint-{step}" for step in load_steps(two)}
    last = two.path / "kept" / f"checkpoint-{two.summary['steps']}" / "model.safetensors"
    assert last.read_bytes() == (two.path / "proxy" / "model.safetensors").read_bytes()
    assert finished.workspace.verify(two.id) == []


def test_bad_input_of_a_group_is_one_sentence(finished, capfd):
    with pytest.raises(ValueError, match="no model 'scratch:vast'"):
        run(finished.workspace, settings(finished, model="scratch:vast"))
    assert "Traceback" not in capfd.readouterr().err
    with pytest.raises(ValueError, match="works in one process only"):
        run(finished.workspace, settings(finished, record="epoch", epochs=2))


def test_a_killed_process_takes_the_group_down_and_the_run_resumes(finished, tmp_path):
    whole = finished.workspace.open(run(finished.workspace, settings(finished, seed=8)))
    argv = [
        sys.executable,
        "-m",
        "core",
        "trajectories",
        "--dataset",
        finished.dataset,
        "--seed",
        "8",
        "--processes",
        "2",
        "--map",
        "no",
        "--workspace",
        str(finished.workspace.root),
    ]
    for key, value in TRAIN.items():
        if key not in ("dataset", "seed", "map"):
            argv += [f"--{key.replace('_', '-')}", f"{value}"]
    work = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    folder = wait_for_column(finished.workspace)
    victim = subprocess.run(
        ["pgrep", "-f", f"core trajectories.*{finished.workspace.root}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    os.kill(int(victim[-1]), signal.SIGKILL)
    _, said = work.communicate(timeout=120)
    assert work.returncode == 2
    assert "--resume continues" in said
    made = finished.workspace.open(run(finished.workspace, settings(finished, seed=8, resume=True)))
    assert made.id == folder
    np.testing.assert_array_equal(load_losses(made), load_losses(whole))


def wait_for_column(workspace: Workspace) -> str:
    for _ in range(600):
        for entry in workspace.entries("trajectories"):
            log = workspace.find(entry.id) / "columns.jsonl"
            if entry.state == "unfinished" and len(list(read_jsonl(log))) >= 2:
                return entry.id
        time.sleep(0.1)
    raise AssertionError("no recording was committed in a minute")


def test_processes_that_torchrun_started_end_with_one_id(finished):
    """As on several machines, where nobody of ours launches them."""
    argv = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "core",
        "trajectories",
        "--dataset",
        finished.dataset,
        "--model",
        "scratch:tiny",
        "--epochs",
        "1",
        "--map",
        "no",
        "--workspace",
        str(finished.workspace.root),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    assert finished.workspace.open(done.stdout.strip()).kind == "trajectories"


def test_rank_0_takes_what_the_others_found_in_pieces(finished, one, monkeypatch):
    monkeypatch.setattr("core.trajectories.recorder.GATHERED_ROWS", 50)
    again = finished.workspace.open(run(finished.workspace, settings(finished, processes=1)))
    np.testing.assert_array_equal(load_losses(again), load_losses(one))
    np.testing.assert_array_equal(*(np.load(t.path / "pooled.npy") for t in (again, one)))


def test_alone_nothing_is_shared():
    assert process_group.world() == 1
    assert process_group.main()
    assert process_group.once(lambda: 3) == process_group.first(lambda: 3) == 3
    part = np.arange(3)
    assert [p is part for p in process_group.gather(part)] == [True]


ALONE = """
import sys, time
from core.jobs import process_group
process_group.barrier()
sys.stdout.write("ready\\n"); sys.stdout.flush()
work = {"once": process_group.once, "first": process_group.first}[sys.argv[1]]
work(lambda: {}["a bug"])
"""


@pytest.mark.parametrize("how", ["once", "first"])
def test_a_bug_on_rank_0_reaches_the_others_at_once(how, unused_port):
    """Anything but bad input was kept from them: they waited for it for a day."""
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(unused_port)}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", ALONE, how],
            env={**os.environ, **group, "RANK": str(rank)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        assert [process.stdout.readline() for process in both] == ["ready\n"] * 2
        said = [process.communicate(timeout=10)[1] for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [1, 1]
    assert "KeyError: 'a bug'" in said[0]
    assert "ElsewhereError: KeyError: 'a bug'" in said[1]


@pytest.fixture
def unused_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
