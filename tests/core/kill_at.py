"""Run command lines in processes that kill themselves, by a real SIGKILL, at a place in the code.

Reads one JSON pair a line, [place, argv], and answers with the exit code of the process that ran
it. An empty place kills nothing. Each is a fork of this process, which has only loaded the
libraries: loading them anew takes longer than the run.
"""

import importlib
import json
import os
import pathlib
import signal
import sys

from transformers import LlamaForCausalLM, Trainer  # noqa: F401  what every run loads

from core import __main__ as command_line
from core import finetune, trajectories  # noqa: F401
from core.training import loop, time_estimate


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(call, number, when="before"):
    """Replace a function by one that dies before, after or halfway through its n-th call.

    Args:
        call: module:name or module:name.name.
        number: Which call, from 1.
        when: before; after; or half: when half the file that it writes (its first argument) stands.
    """
    module, _, path = call.partition(":")
    owner = importlib.import_module(module)
    *owners, name = path.split(".")
    for part in owners:
        owner = getattr(owner, part)
    inner = getattr(owner, name)
    calls = 0

    def watched(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == number and when == "before":
            kill()
        result = inner(*args, **kwargs)
        if calls == number:
            if when == "half":
                os.truncate(args[0], pathlib.Path(args[0]).stat().st_size // 2)
            kill()
        return result

    setattr(owner, name, watched)


def run(place, argv):
    """Run a command with the time estimate left out; one to be killed saves after every step."""
    time_estimate.measure = lambda *args, **kwargs: time_estimate.Rates((1e-6, 1e-6), (1e-6, 1e-6))
    if place:
        save_seconds = place.pop("save_seconds", 0.0)
        init = loop.Recipe.__init__
        loop.Recipe.__init__ = lambda self, **k: init(self, **{**k, "save_seconds": save_seconds})
        kill_at(**place)
    return command_line.main(argv)


def main():
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.dup2(2, 1)  # the answers go to the real stdout
            os._exit(run(*json.loads(line)))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
