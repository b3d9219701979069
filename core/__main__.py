"""The command line: `python -m core <noun> --setting value`; stdout ends with the result."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from core import settings
from core.demo.puzzles import DURATION
from core.errors import InputError
from core.jobs import process_group
from core.jobs.progress import Stopped, job_dir, say
from core.workspace.artifact import KINDS
from core.workspace.files import disk_full, explain_os_error, write_json
from core.workspace.store import Workspace

if TYPE_CHECKING:
    from core.arrays import Ints

NOUNS = {
    "dataset": "import a fine-tuning dataset",
    "trajectories": "train a proxy on a dataset and record every example's loss over its training",
    "layout": "place every example on a 2-D map",
    "transfer": "try a target on a few rows: can the proxy speak for it?",
    "clusters": "cluster the loss trajectories",
    "selection": "choose the rows to train on",
    "finetune": "train a target on a selection and test it",
    "study": "compare selections by equal fine-tunes",
    "export": "write the selected rows for another trainer, with a data card and a config",
    "demo": f"the whole pipeline on embedded data, in {DURATION}",
}

EDITS = "show or change which rows of a dataset are excluded, pinned or noted"

QUIET_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}
"""Threads that wait soon sleep: beside one busy process, scoring took 1.9 s so, and 9.8 s with
threads that spin on; alone on the machine 1.1 s and 1.0 s."""


class Unequal(Exception):
    """A comparison has found differences; the message says them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code (0 done, 2 bad input, 3 stopped, 1 else)."""
    argv = sys.argv[1:] if argv is None else argv
    for name, value in QUIET_THREADS.items():
        os.environ.setdefault(name, value)
    try:
        args = vars(_parser(argv).parse_args(argv))
        noun = args.pop("noun")
        workspace = Workspace(args.pop("workspace"))
        if noun in NOUNS:
            module = importlib.import_module(f"core.{noun}")
            result = str(module.run(workspace, settings.from_args(module.Settings, args)))
        else:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `list | head` ends quietly
            result = COMMANDS[noun](workspace, args)
    except Unequal as e:
        sys.stdout.write(f"{e}\n")
        return 1
    except Stopped as e:
        return _end("stopped", str(e) or "stopped; what was saved can be resumed", 3)
    except KeyboardInterrupt:
        return _end("stopped", "interrupted; an unfinished run can be continued with --resume", 130)
    except InputError as e:
        if os.environ.get("S2L_TRACEBACK"):
            traceback.print_exc()
        return _end("failed", str(e), 2)
    except OSError as e:
        if os.environ.get("S2L_TRACEBACK"):
            traceback.print_exc()
        return _end("failed", explain_os_error(e), 2)
    except Exception as e:
        if disk_full(e):  # from a writer that raises its own type
            return _end("failed", explain_os_error(OSError(errno.ENOSPC, str(e))), 2)
        traceback.print_exc()
        return _end("failed", _remedy(e), 1)
    if process_group.tell("done", result=result) or not process_group.main():
        return 0
    _finish_job("done", result=result)
    sys.stdout.write(result + "\n")
    return 0


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
            "--workspace", default=default, metavar="DIR",
            help="where artifacts live (default: $S2L_WORKSPACE or workspace/)",
        )  # fmt: skip
    wanted = _noun(argv)
    nouns = top.add_subparsers(dest="noun", required=True, metavar="command")
    for noun, text in NOUNS.items():
        parser = nouns.add_parser(noun, help=text, description=text, parents=[common])
        if noun == wanted:  # importing all of them costs time
            settings.add_flags(parser, importlib.import_module(f"core.{noun}").Settings)
    listing = nouns.add_parser("list", help="list artifacts, newest first", parents=[common])
    listing.add_argument("kind", nargs="?", choices=KINDS)
    listing.add_argument("--json", action="store_true")
    for name, text in (
        ("show", "print a manifest"),
        ("verify", "compare every file with its manifest"),
        ("delete", "delete an artifact nothing depends on, or an unfinished run"),
        ("reproduce", "make a selection again and say whether it is identical (exit 1: it is not)"),
    ):
        one = nouns.add_parser(name, help=text, parents=[common])
        one.add_argument("id")
        if name == "show":
            one.add_argument("--json", action="store_true")
    _add_edit_flags(nouns.add_parser("edits", help=EDITS, description=EDITS, parents=[common]))
    return top


def _noun(argv: Sequence[str]) -> str:
    """Return what stands first, but for --workspace DIR."""
    rest = list(argv)
    while rest and rest[0].partition("=")[0] == "--workspace":
        rest = rest[1 if "=" in rest[0] else 2 :]
    return rest[0] if rest else ""


def _add_edit_flags(parser: _Parser) -> None:
    parser.add_argument("dataset", help="dataset id")
    one = parser.add_mutually_exclusive_group()
    for name, text in (
        ("exclude", "leave rows out of selections"),
        ("include", "let excluded rows in again"),
        ("pin", "put rows into every selection, first"),
        ("unpin", "let pinned rows be drawn as any other"),
    ):
        one.add_argument(f"--{name}", metavar="ROWS", help=f"{text}; such as 3,17,100-120")
    one.add_argument("--note", metavar="TEXT", help="a note on --rows; empty takes it away")
    for name in ("undo", "redo"):
        one.add_argument(f"--{name}", action="store_true", help=f"{name} the last edit")
    parser.add_argument("--rows", metavar="ROWS", help="the rows of --note")
    parser.add_argument("--why", default="", metavar="TEXT", help="the reason of --exclude")
    parser.add_argument(
        "--user", default=os.environ.get("USER", ""), help="who edits (default: $USER)"
    )


def _list(workspace: Workspace, args: dict[str, Any]) -> str:
    entries = workspace.entries(*([args["kind"]] if args["kind"] else []))
    if args["json"]:
        return json.dumps([vars(e) for e in entries], indent=1, ensure_ascii=False)
    if not entries:
        return f"nothing in {workspace.root} yet; start with `python -m core dataset --path FILE`"
    width = max(len(e.name) for e in entries)
    return "\n".join(
        f"{e.id}  {e.kind:12}  {e.state:10}  {e.name:{width}}  {e.problem}".rstrip()
        for e in entries
    )


def _show(workspace: Workspace, args: dict[str, Any]) -> str:
    manifest = workspace.open(args["id"]).manifest
    if args["json"]:
        return json.dumps(manifest, indent=1, ensure_ascii=False)
    lines = [f"{manifest['kind']} {manifest['id']}  {manifest['name']}  ({manifest['seconds']} s)"]
    for part in ("parents", "config", "summary"):
        lines += [f"{part}:"] + [f"  {k}: {v}" for k, v in manifest[part].items()]
    return "\n".join(lines)


def _verify(workspace: Workspace, args: dict[str, Any]) -> str:
    problems = workspace.verify(args["id"])
    if problems:
        raise InputError("; ".join(problems))
    return f"{args['id']}: every file is as its manifest says"


def _delete(workspace: Workspace, args: dict[str, Any]) -> str:
    workspace.delete(args["id"])
    return str(args["id"])


def _reproduce(workspace: Workspace, args: dict[str, Any]) -> str:
    from core.selection import reproduce

    if found := reproduce.differences(workspace, args["id"]):
        raise Unequal("\n".join(found))
    return "identical"


def _edits(workspace: Workspace, args: dict[str, Any]) -> str:
    from core import edits
    from core.edits import row_sets

    dataset, who = args["dataset"], {"user": args["user"]}
    if (args["note"] is None) != (args["rows"] is None):
        raise InputError("a note is --note TEXT and --rows ROWS together")
    if args["why"] and args["exclude"] is None:
        raise InputError("--why is the reason of --exclude; give both")

    def rows(text: str) -> Ints:
        return row_sets.parse(text, workspace.open(dataset, "dataset").summary["rows"])

    if args["note"] is not None:
        edits.note(workspace, dataset, rows(args["rows"]), args["note"], **who)
    elif args["exclude"] is not None:
        edits.exclude(workspace, dataset, rows(args["exclude"]), why=args["why"], **who)
    for name in ("include", "pin", "unpin"):
        if args[name] is not None:
            getattr(edits, name)(workspace, dataset, rows(args[name]), **who)
    for name in ("undo", "redo"):
        if args[name]:
            getattr(edits, name)(workspace, dataset, **who)
    return edits.as_text(edits.read(workspace, dataset))


COMMANDS: dict[str, Callable[[Workspace, dict[str, Any]], str]] = {
    "list": _list,
    "show": _show,
    "verify": _verify,
    "delete": _delete,
    "reproduce": _reproduce,
    "edits": _edits,
}


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


def _end(state: str, message: str, code: int) -> int:
    if process_group.tell(state, message=message):  # whoever launched this process says it
        return code if code == 1 else 0  # a crash must take the others down
    if not process_group.main() and code != 1:
        return code
    with contextlib.suppress(OSError):
        _finish_job(state, message=message)
    say(f"{'error: ' if state == 'failed' else ''}{message}")
    return code


def _finish_job(state: str, *, result: str = "", message: str = "") -> None:
    job = job_dir()
    if job is not None:
        write_json(job / "status.json", {"state": state, "result": result, "message": message})


if __name__ == "__main__":
    sys.exit(main())
