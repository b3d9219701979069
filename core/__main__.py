"""The command line: `python -m core <noun> --setting value`; stdout ends with the result."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import os
import pathlib
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from core import settings
from core.commands import COMMANDS
from core.errors import InputError, Unequal
from core.jobs import process_group
from core.jobs.children import QUIET_THREADS, end_with_launcher, leave
from core.jobs.failures import fix_of, name_of
from core.jobs.files import WORKER, Outcome, outcome, write_outcome, write_worker
from core.jobs.progress import Stopped, Terminated, job_dir, on_sigterm, say
from core.jobs.record import RESUMED
from core.nouns import NOUNS
from core.workspace.files import disk_full, explain_os_error
from core.workspace.locks import network_problem
from core.workspace.store import Workspace

PACKAGES = {
    **NOUNS,
    "edits": "show or change which rows of a dataset are excluded, pinned or noted",
}
RUN_FILE = "run_file"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code.

    0 done, 2 bad input, 3 stopped, 130 and 143 ended by Ctrl-C and SIGTERM, 1 else.
    """
    own = argv is None  # a process of its own, not called by another
    argv = sys.argv[1:] if argv is None else argv
    noun = _noun(argv)
    interrupted: list[int] = []
    if own and not process_group.launched():
        _heed_signals(noun, interrupted)
    elif own and (folder := os.environ.get(process_group.OUTCOMES)):
        end_with_launcher(pathlib.Path(folder))
    for name, value in QUIET_THREADS.items():
        os.environ.setdefault(name, value)
    try:
        argv = _without_bare(argv)
        args = vars(_parser(argv).parse_args(argv))
        noun = args.pop("noun")
        workspace = Workspace(args.pop("workspace"))
        if noun in NOUNS and (problem := network_problem(workspace.root)):
            say(f"warning: {problem}")
        if noun not in NOUNS:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `list | head` ends quietly
        file = args.pop(RUN_FILE, "")
        cls, run = _declared(noun)
        if file:  # flags beside it go before
            from core import run_file

            args = run_file.read(file, noun, cls) | args
        result = str(run(workspace, settings.from_args(cls, args)))
    except Unequal as e:
        sys.stdout.write(f"{e}\n")
        return 1
    except Stopped as e:
        return _end("stopped", str(e) or "stopped; what was saved can be resumed", 3)
    except Terminated:
        return _end("stopped", f"terminated before it was done; {_goes_on(noun)}", 143)
    except KeyboardInterrupt:
        return _end("stopped", f"interrupted; {_goes_on(noun)}", 130)
    except Exception as e:
        if interrupted:  # a library made something else of it
            return _end("stopped", f"interrupted; {_goes_on(noun)}", 130)
        return _failed(e)
    ended = outcome("done", result=result)
    if process_group.tell(ended) or not process_group.main():
        return 0
    _finish_job(ended)
    sys.stdout.write(result + "\n")
    return 0


def _heed_signals(noun: str, interrupted: list[int]) -> None:
    """Note a Ctrl-C, whatever it becomes; let SIGTERM be a stop; say who works at a job."""

    def handle(number: int, frame: object) -> None:
        interrupted.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else somebody ignores it
        signal.signal(signal.SIGINT, handle)
    on_sigterm(saves=noun in RESUMED)
    if (job := job_dir()) and not (job / WORKER).exists():  # its supervisor may have been killed
        with contextlib.suppress(OSError):
            write_worker(job, os.getpgrp(), os.getppid())


def _goes_on(noun: str) -> str:
    if noun in RESUMED:
        return "an unfinished run can be continued with --resume"
    return "import it again" if noun == "dataset" else "start it again"


def _failed(error: Exception) -> int:
    """Say what went wrong, and return the exit code: 2 where the user can mend it."""
    try:
        raise error
    except InputError as e:
        if os.environ.get("S2L_TRACEBACK"):
            traceback.print_exc()
        return _end("failed", str(e), 2, e)
    except OSError as e:
        if os.environ.get("S2L_TRACEBACK"):
            traceback.print_exc()
        return _end("failed", explain_os_error(e), 2, e)
    except Exception as e:
        if disk_full(e):  # from a writer that raises its own type
            return _end("failed", explain_os_error(OSError(errno.ENOSPC, str(e))), 2, e)
        traceback.print_exc()
        return _end("failed", _remedy(e), 1, e)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; `{self.prog} --help` lists what there is")


def _parser(argv: Sequence[str]) -> _Parser:
    top = _Parser(prog="python -m core", description=__doc__, allow_abbrev=False)
    common = _Parser(add_help=False)
    for parser, default in (
        (top, os.environ.get("S2L_WORKSPACE", "workspace")),
        (common, argparse.SUPPRESS),  # else it would undo the one before the noun
    ):
        parser.add_argument(
            "--workspace",
            default=default,
            metavar="DIR",
            help="where artifacts live (default: $S2L_WORKSPACE or workspace/)",
        )
    named = _noun(argv)
    nouns = top.add_subparsers(dest="noun", required=True, metavar="command")
    for noun, text in (PACKAGES | {n: command[0] for n, command in COMMANDS.items()}).items():
        parser = nouns.add_parser(noun, help=text, description=text, parents=[common])
        if noun == named:  # importing all of them costs time
            cls = _declared(noun)[0]
            own = any(s.name == "config" for s in settings.specs(cls))
            files = ["--run-file"] if own else ["--config", "--run-file"]
            parser.add_argument(
                *files,
                default=argparse.SUPPRESS,
                metavar="FILE",
                help="a YAML file of these settings, as a page saves it; flags beside it go before",
                dest=RUN_FILE,
            )
            given = any(a.partition("=")[0] in files for a in argv)
            settings.add_flags(parser, cls, required=not given)
    return top


def _without_bare(argv: Sequence[str]) -> list[str]:
    """Leave out the --workspace of `doctor --workspace` that names no folder."""
    rest = list(argv)
    if _noun(argv) == "doctor":
        ends = [i for i, a in enumerate(rest) if a == "--workspace"]
        for i in reversed(ends):
            if i + 1 == len(rest) or rest[i + 1].startswith("--"):
                del rest[i]
    return rest


def _declared(noun: str) -> tuple[Any, Callable[..., Any]]:
    """Return the settings and the function of a noun or a command."""
    if noun in COMMANDS:
        return COMMANDS[noun][1:]
    module = importlib.import_module(f"core.{noun}")
    return module.Settings, module.run


def _noun(argv: Sequence[str]) -> str:
    """Return what stands first, but for --workspace DIR."""
    rest = list(argv)
    while rest and rest[0].partition("=")[0] == "--workspace":
        rest = rest[1 if "=" in rest[0] else 2 :]
    return rest[0] if rest else ""


def _remedy(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return (
            "out of memory; try a smaller --batch-size or --max-length, or a smaller model "
            f"({text})"
        )
    if process_group.world() > 1 and "peer" in text:
        return (
            "another process of this run died; the log may say why, and --resume continues from "
            f"the last saved checkpoint ({text[:160]})"
        )
    return text


def _end(state: str, message: str, code: int, error: Exception | None = None) -> int:
    failure, fix = (name_of(error), fix_of(error)) if error else ("", {})
    ended = outcome(state, message=message, failure=failure, fix=fix)
    if process_group.tell(ended):  # whoever launched this process says it
        return code if code == 1 else 0  # a crash must take the others down
    if not process_group.main() and code != 1:
        return code
    with contextlib.suppress(OSError):
        _finish_job(ended)
    say(f"{'error: ' if state == 'failed' else ''}{message}")
    return code


def _finish_job(ended: Outcome) -> None:
    if job := job_dir():
        write_outcome(job, ended)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    code = main()
    if process_group.launched():  # the others wait for its connections to end in order
        sys.exit(code)
    leave(code)
