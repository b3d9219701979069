"""Slurm's commands, as far as this project asks: jobs are processes of this machine.

Called as `python fake_slurm.py FOLDER COMMAND ARGS`. The answers are those that Slurm 22.05 gave. In the
folder, a file AWAY makes the controller unreachable, a file HOLD keeps jobs in the queue.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

AWAY = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"
UNKNOWN = "slurm_load_jobs error: Invalid job id specified\n"


def running(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def sbatch(folder, args):
    script = pathlib.Path(args[-1])
    asked = dict(re.findall(r"^#SBATCH --([a-z-]+)=(.+)$", script.read_text(), re.MULTILINE))
    id = str(len(list(folder.glob("*.job"))) + 1)
    own = {"SLURM_JOB_ID": id, "SLURM_NTASKS": asked["ntasks"], "SLURM_JOB_NODELIST": "here"}
    pid = 0
    if not (folder / "HOLD").exists():
        with pathlib.Path(asked["output"]).open("ab") as log:
            pid = subprocess.Popen(
                ["bash", str(script)],
                env={**os.environ, **own},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            ).pid
    (folder / f"{id}.job").write_text(str(pid))
    sys.stdout.write(f"{id}\n")


def srun(folder, args):
    command = [a for a in args if not a.startswith("--kill")]
    n = int(os.environ["SLURM_NTASKS"])
    tasks = [
        subprocess.Popen(
            command, env={**os.environ, "SLURM_PROCID": f"{i}", "SLURM_LOCALID": f"{i}"}
        )
        for i in range(n)
    ]
    while True:
        codes = [task.poll() for task in tasks]
        if any(codes) or None not in codes:
            break
        time.sleep(0.05)
    for task in tasks:
        task.kill()
        task.wait()
    return max(abs(code or 0) for code in codes)


def squeue(folder, args):
    file = folder / f"{args[-1]}.job"
    pid = int(file.read_text()) if file.exists() else -1
    if pid == 0:
        sys.stdout.write("PENDING|Resources\n")
    elif running(pid):
        sys.stdout.write("RUNNING|None\n")
    else:
        sys.stderr.write(UNKNOWN)
        return 1
    return 0


def scancel(folder, args):
    file = folder / f"{args[-1]}.job"
    if pid := int(file.read_text()):
        os.killpg(pid, signal.SIGKILL)
    file.write_text("-1")


def scontrol(folder, args):
    if args[:2] == ["show", "hostnames"]:
        sys.stdout.write("127.0.0.1\n")
    else:
        file = folder / f"{args[-1]}.job"
        state = "CANCELLED" if file.read_text() == "-1" else "NODE_FAIL"
        sys.stdout.write(f"JobId={args[-1]} JobName=s2l JobState={state} Reason=None\n")


def main() -> int:
    folder, command, args = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    if command == "sacct":
        return 1
    if (folder / "AWAY").exists() and command != "srun" and "hostnames" not in args:
        sys.stderr.write(AWAY)
        return 1
    return globals()[command](folder, args) or 0


if __name__ == "__main__":
    sys.exit(main())
