"""Start one command in several processes that share its work: here, by Ray, or by Slurm.

Each process runs `core.__main__.main` with the same arguments and tells how it ended; of those that
failed, the first says why. A new launcher is one function and one entry in LAUNCHERS.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from core.errors import InputError
from core.jobs import devices, process_group
from core.jobs.files import Outcome
from core.jobs.process_group import OUTCOMES, PATIENCE
from core.jobs.progress import JOB_VARIABLE, Stopped
from core.jobs.record import Job, lock_file
from core.jobs.slurm import told_in
from core.jobs.slurm_run import slurm
from core.settings import to_argv
from core.workspace.files import ROOT
from core.workspace.store import Workspace

OBJECT_STORE = 2**27
"""Bytes that a Ray of our own sets aside for passing objects; only outcomes are passed."""
RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",  # reports nothing to anybody
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # it would restart what --resume continues
}


ELSEWHERE = "none"
"""The device of a job that works on other machines: it never waits for one of this."""


class RayProcessFailed(Exception):
    """A process of a Ray group did not end well; holds what it told."""


class Launchable(Protocol):
    """Settings of a noun whose work several processes can share."""

    @property
    def launcher(self) -> str: ...
    @property
    def processes(self) -> int: ...


def launched(noun: str, workspace: Workspace, settings: Launchable) -> str:
    """Run a noun in several processes where its settings ask for that; return its result.

    Empty where they do not, or where this is one of the processes: the caller does the work.

    Raises:
        InputError: bad input, no such launcher here, or a process died.
        Stopped: asked to stop; what was saved can be resumed.
    """
    launcher = LAUNCHERS[settings.launcher]
    if process_group.launched() or not (settings.processes > 1 or launcher.always):
        return ""
    argv = [noun, *to_argv(settings), "--workspace", str(workspace.root)]
    outcome = cause(launcher.run(workspace, argv, settings.processes))
    if outcome["state"] == "done":
        return str(outcome["result"])
    if outcome["state"] == "stopped":
        raise Stopped(outcome["message"])
    raise InputError(outcome["message"], failure=outcome.get("failure", ""), fix=outcome.get("fix"))


def cause(outcomes: Iterable[Outcome]) -> Outcome:
    """Return what the first process that failed told; of a group in which all is well, any's."""
    return min(outcomes, key=lambda t: (t["state"] == "done", t["time"]))


def elsewhere(settings: Any) -> bool:
    """Say whether a run of these settings works on other machines, and takes no device of this."""
    launcher = LAUNCHERS.get(getattr(settings, "launcher", ""))
    return bool(launcher and launcher.elsewhere())


def device_for(jobs: Iterable[Job], noun: str, settings: Any) -> str:
    """Return the device for new work, as `devices.choose`; none where it is on other machines."""
    if elsewhere(settings):
        return ELSEWHERE
    return devices.choose(jobs, noun, getattr(settings, "processes", 1))


def local(workspace: Workspace, argv: Sequence[str], processes: int) -> list[Outcome]:
    """Refuse: one process does the work itself.

    Raises:
        InputError: always.
    """
    raise InputError(
        f"--launcher local is one process; take --launcher torchrun for --processes {processes}, "
        "or leave --processes away"
    )


def torchrun(workspace: Workspace, argv: Sequence[str], processes: int) -> list[Outcome]:
    """Share the work among processes of this machine; return what they told."""
    with tempfile.TemporaryDirectory() as folder, _living(pathlib.Path(folder)):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "torch.distributed.run",
                "--standalone",
                "--nproc-per-node",
                f"{processes}",
                "-m",
                "core",
                *argv,
            ],
            env={"OMP_NUM_THREADS": _threads(processes), **os.environ, OUTCOMES: folder},
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        return told_in(pathlib.Path(folder)) or _died(processes, f"exit code {done.returncode}")


@contextlib.contextmanager
def _living(folder: pathlib.Path) -> Iterator[None]:
    """Hold the lock in a folder by which the processes of a group see that their command lives."""
    held = lock_file(folder / "lock")
    try:
        yield
    finally:
        os.close(held)


def ray(workspace: Workspace, argv: Sequence[str], processes: int) -> list[Outcome]:
    """Share the work among processes of the cluster at RAY_ADDRESS, else of a Ray of our own.

    Ray restarts and keeps nothing: checkpoints, stopping and resuming are the run's own.

    Raises:
        InputError: no Ray, no cluster, or one too small.
    """
    for name, value in RAY.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        from ray import train
        from ray.train.torch import TorchConfig, TorchTrainer
    except ImportError as e:
        raise InputError(
            f"--launcher ray needs Ray ({e}): pip install -r requirements-cluster.txt"
        ) from None
    workspace.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ray-", dir=workspace.cache) as storage:
        try:
            _join(processes)
            has = ray.cluster_resources()
            gpu = has.get("GPU", 0) > 0
            kind = "GPU" if gpu else "CPU"
            if has.get(kind, 0) < processes:
                raise InputError(
                    f"--processes {processes} needs as many {kind}s, and Ray has "
                    f"{has.get(kind, 0):g}; ask for fewer, or start Ray on more machines"
                )
            trainer = TorchTrainer(
                work,
                train_loop_config={"argv": list(argv)},
                scaling_config=train.ScalingConfig(num_workers=processes, use_gpu=gpu),
                torch_config=TorchConfig(
                    backend="cpu:gloo,cuda:nccl" if gpu else "gloo",
                    timeout_s=int(PATIENCE.total_seconds()),
                ),
                run_config=train.RunConfig(
                    storage_path=storage,
                    failure_config=train.FailureConfig(
                        max_failures=0, controller_failure_limit=0, max_preemption_failures=0
                    ),
                    logging_config=train.LoggingConfig(log_level="CRITICAL"),
                ),
            )
            return [trainer.fit().return_value]
        except train.TrainingFailedError as e:
            failures = getattr(e, "worker_failures", {0: e}).values()
            outcomes = [f.args[0] for f in failures if isinstance(f, RayProcessFailed)]
            return outcomes or _died(processes, f"{next(iter(failures))}".split("\n")[0])
        except (SystemExit, ray.exceptions.RayActorError):  # how Ray's handling of Ctrl-C ends
            raise KeyboardInterrupt from None
        finally:
            ray.shutdown()


def work(config: dict[str, Any]) -> Outcome:
    """Run the command as one process of a Ray group; return what it told.

    Raises:
        RayProcessFailed: it did not end well; Ray then ends the others, which may wait for it.
    """
    os.chdir(ROOT)
    command_line = importlib.import_module("core.__main__")  # by name, as a shell starts it
    with tempfile.TemporaryDirectory() as folder:
        os.environ[OUTCOMES] = folder
        command_line.main(config["argv"])
        (outcome,) = told_in(pathlib.Path(folder))
    if outcome["state"] != "done":
        raise RayProcessFailed(outcome)
    return outcome


def _join(processes: int) -> None:
    """Connect to the cluster at RAY_ADDRESS, or start a Ray that ends with this process."""
    import ray

    variables = {"PYTHONPATH": str(ROOT)}
    if JOB_VARIABLE in os.environ:
        variables[JOB_VARIABLE] = os.environ[JOB_VARIABLE]
    own: dict[str, Any] = {}
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        variables["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", _threads(processes))
        own = {
            "num_cpus": processes,
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE,
        }
    try:
        ray.init(
            address or "local",
            runtime_env={"env_vars": variables},
            logging_config=ray.LoggingConfig(log_level="CRITICAL"),  # our lines still pass
            **own,
        )
    except (ConnectionError, RuntimeError) as e:
        raise InputError(
            f"no Ray at RAY_ADDRESS={address} ({e}); is it up, with the same RAY_AUTH_MODE?"
        ) from None


def _threads(processes: int) -> str:
    """Return how many threads each of so many processes of this machine should use."""
    return str(max(1, (os.cpu_count() or 1) // processes))


def _died(processes: int, how: str) -> list[Outcome]:
    """Return the outcome of a group of which nobody told anything."""
    message = (
        f"a process of {processes} died ({how}); the log above may say why, and --resume "
        "continues from the last saved checkpoint"
    )
    return [{"state": "failed", "message": message, "failure": "lost-process", "time": 0.0}]


class Launcher(NamedTuple):
    """A way to start processes."""

    run: Callable[[Workspace, Sequence[str], int], list[Outcome]]
    """(workspace, argv, processes) -> what they told."""
    title: str
    """Where it starts them."""
    always: bool = False
    """Whether it also starts a single process: elsewhere, for example."""
    elsewhere: Callable[[], bool] = lambda: False
    """Whether that is on other machines."""


LAUNCHERS = {
    "local": Launcher(local, "one process, on this machine"),
    "torchrun": Launcher(torchrun, "on this machine"),
    "ray": Launcher(
        ray,
        "on the cluster at $RAY_ADDRESS, else on this machine",
        always=True,
        elsewhere=lambda: bool(os.environ.get("RAY_ADDRESS")),
    ),
    "slurm": Launcher(
        slurm, "as a batch job of a Slurm cluster", always=True, elsewhere=lambda: True
    ),
}
"""The ways there are; a new one is a function and a line here."""
