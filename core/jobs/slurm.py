"""What is asked of Slurm: take a job, say how it is, end it.

The script holds the same command that every launcher starts. Code, .venv and workspace stand on a
file system that the nodes see.
"""

from __future__ import annotations

import os
import pathlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple, cast

from core.errors import InputError
from core.jobs.files import Outcome
from core.jobs.process_group import OUTCOMES
from core.jobs.progress import JOB_VARIABLE
from core.workspace.files import ROOT, fingerprint, read_json, write_json
from core.workspace.store import Workspace

SCRIPT, JOB, LOG, EXIT, LIMIT = "job.sh", "job.json", "log", "exit", "LIMIT"
PATIENCE = 30.0
"""Seconds that a command of Slurm may take."""
BEFORE_LIMIT = 120
"""Seconds before Slurm's time limit at which the run is asked to save and end."""
TOLD = "outcomes"
GONE, AWAY = "GONE", "AWAY"
RANKS = (
    'gpus=$(tr "," "\\n" <<< "${CUDA_VISIBLE_DEVICES:-}" | grep -c .); export RANK=$SLURM_PROCID; '
    "[ $SLURM_NTASKS -eq 1 ] || export LOCAL_RANK=$((SLURM_LOCALID % (gpus > 0 ? gpus : "
    'SLURM_NTASKS))); exec "$@"'
)
"""Gives each task its number, and the GPU that is its own: of its node's, or the only one."""


class State(NamedTuple):
    """What Slurm says of a job."""

    word: str
    """A state of Slurm, GONE where it is not in the queue any more, AWAY where nobody answers."""
    reason: str = ""


def folder_of(workspace: Workspace, argv: Sequence[str]) -> pathlib.Path:
    """Return where the files of a job stand; resumed or not, it is the same."""
    own = [a for i, a in enumerate(argv) if "--resume" not in argv[max(0, i - 1) : i + 1]]
    return workspace.cache.resolve() / "slurm" / fingerprint("slurm", own)


def script(folder: pathlib.Path, argv: Sequence[str], processes: int) -> str:
    """Return the batch script: a task for each process; what a site wants is in SBATCH_ variables.

    Args:
        folder: Of the job's files.
    """
    job = shlex.quote(str(folder))
    run = shlex.join([sys.executable, "-m", "core", *argv])
    return f"""#!/bin/bash
#SBATCH --job-name=s2l-{argv[0]}
#SBATCH --ntasks={processes}
#SBATCH --output={folder / LOG}
#SBATCH --open-mode=append
#SBATCH --no-requeue
#SBATCH --signal=B:USR1@{BEFORE_LIMIT}
cd {shlex.quote(str(ROOT))} || exit 1
export {JOB_VARIABLE}={job} {OUTCOMES}={job}/{TOLD} WORLD_SIZE=$SLURM_NTASKS
export OMP_NUM_THREADS=${{OMP_NUM_THREADS:-${{SLURM_CPUS_PER_TASK:-1}}}}
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER_ADDR MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))
trap 'touch {job}/STOP {job}/{LIMIT}' USR1
srun --kill-on-bad-exit=1 bash -c {shlex.quote(RANKS)} rank {run} &
while true; do wait $!; code=$?; kill -0 $! 2> /dev/null || break; done
echo $code > {job}/{EXIT}
exit $code
"""


def submit(folder: pathlib.Path, argv: Sequence[str], processes: int) -> str:
    """Hand the job to Slurm; return its number.

    Raises:
        InputError: Slurm does not take it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / TOLD).mkdir(parents=True)
    (folder / SCRIPT).write_text(script(folder, argv, processes), encoding="utf-8")
    done = _ask("sbatch", "--parsable", str(folder / SCRIPT))
    id = done.stdout.strip().partition(";")[0]
    if done.returncode or not id.isdigit():
        why = " ".join((done.stderr or done.stdout).split())[:300]
        raise InputError(
            f"Slurm did not take the job ({why}); partition, account, time and GPUs are given by "
            "variables such as SBATCH_PARTITION and SBATCH_GPUS_PER_TASK"
        )
    write_json(folder / JOB, {"id": id})
    return id


def state_of(id: str) -> State:
    """Ask Slurm for the state of a job."""
    done = _ask("squeue", "--noheader", "--format=%T|%r", "--jobs", id)
    word, _, reason = done.stdout.strip().partition("|")
    if done.returncode == 0 and word:
        return State(word, reason)
    if done.returncode == 0 or "invalid job id" in done.stderr.lower():
        return State(GONE)
    return State(AWAY, " ".join(done.stderr.split())[:200] or f"exit code {done.returncode}")


def last_state(id: str) -> str:
    """Return the state in which a job left the queue; empty where Slurm has forgotten it."""
    shown = _ask("scontrol", "show", "job", "--oneliner", id).stdout
    for part in shown.split():
        if part.startswith("JobState="):
            return part.removeprefix("JobState=")
    kept = _ask("sacct", "--noheader", "--allocations", "--parsable2", "--format=State", "-j", id)
    return (kept.stdout.split() or [""])[0]


def cancel(id: str) -> None:
    """Let Slurm end a job."""
    _ask("scancel", id)


def over(folder: pathlib.Path, id: str) -> bool:
    """Say whether a job has ended; one that nobody can be asked about has not."""
    return (folder / EXIT).exists() or state_of(id).word == GONE


def told_in(folder: pathlib.Path) -> list[Outcome]:
    """Return what processes have told of their ends, in their folder of outcomes."""
    files = sorted(folder.glob("*.json"))
    return [cast(Outcome, ended) for file in files if (ended := read_json(file))]


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Slurm; one that is not there or takes too long has failed."""
    own = (JOB_VARIABLE, OUTCOMES, "CUDA_VISIBLE_DEVICES")  # of this machine, not of the nodes
    env = {k: v for k, v in os.environ.items() if k not in own}
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env=env,
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        return subprocess.CompletedProcess(command, 1, "", str(e))
