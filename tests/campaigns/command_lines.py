"""Bad command lines, made from the declared settings: each ends with 2 and one sentence.

`python -m tests.campaigns.command_lines 500 [SEED]` tries so many in this process; the last line is
JSON: tried, and the lines that did something else, each with what it did.
"""

import contextlib
import importlib
import io
import json
import pathlib
import random
import sys
import tempfile

from core.__main__ import main as command
from core.commands import COMMANDS
from core.nouns import NOUNS
from core.settings import specs

ARABIC, WIDE, HALF, MINUS = "\u0661\u0662", "\uff11\uff12", "\u00bd", "\u2212"
EITHER = ["", "x", ARABIC, f"1{ARABIC}", WIDE, HALF, f"{MINUS}1", "nan", "inf", "--", "1 2", "+-1"]
BAD = {
    int: [*EITHER, "1.5", "1_000", "0x10", "9" * 25, "9" * 5000, "-1" + "0" * 25, "1e3", "1,000"],
    float: [
        *EITHER,
        "1_0.5",
        "-inf",
        "1e400",
        "9" * 400,
        "1e99",
        "0x1p3",
        "1,5",
        "1..2",
        ".",
        "e5",
    ],
    bool: ["x", "2", "ja", WIDE, "yes no", "None", "-1", "01", "truefalse"],
}
"""Kind of a setting -> texts that are none of it."""
WRONG = ["", "nonsense", "none of these", WIDE, "--", "\x00", "../x"]
"""For a setting of fixed words."""


def settings_of(noun):
    return (
        COMMANDS[noun][1] if noun in COMMANDS else importlib.import_module(f"core.{noun}").Settings
    )


def lines():
    """Yield every bad command line: one bad part, whatever is required beside it given."""
    for noun in [*NOUNS, *COMMANDS]:
        listed = specs(settings_of(noun))
        need = {s.name: s for s in listed if s.required}
        given = {n: ["x"] if s.positional else [f"{s.flag}=x"] for n, s in need.items()}

        def beside(name, given=given):
            return [word for other, words in given.items() if other != name for word in words]

        for spec in listed:
            bare = spec.positional or (spec.kind is bool and any(s.positional for s in listed))
            for bad in [] if bare else WRONG if spec.choices else BAD.get(spec.kind, []):
                yield [noun, *beside(spec.name), f"{spec.flag}={bad}"]
            if spec.kind is not bool and not spec.positional:
                yield [noun, *beside(spec.name), spec.flag]
            if not spec.positional:
                yield [noun, *beside(None), f"{spec.flag}x=1"]
                yield [noun, *beside(None), f"-{spec.flag}", "1"]
        yield [noun, *beside(None), "--no-such-flag"]
        yield [noun, *beside(None), "--workspace"]
        if need:
            yield [noun]
    yield from ([], ["nonsense"], [""], ["--workspace"], ["--x", "list"], ["LIST"], ["\x00"])


def outcome(argv, root: pathlib.Path) -> str:
    """Run one line; return what it did that it should not, empty where it was refused rightly."""
    out, err = io.StringIO(), io.StringIO()
    where = root / "workspace"
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = command(["--workspace", str(where), *argv])
    except BaseException as e:
        return f"raised {type(e).__name__}: {e}"
    said = err.getvalue()
    if code != 2:
        return f"exit {code}: {said[-200:]}"
    if out.getvalue() or said.count("\n") != 1 or not said.startswith("error: "):
        return f"said {out.getvalue()[:100]!r}, {said[:200]!r}"
    if len(said) > 1000:
        return f"said {len(said):,} characters"
    return f"left {[p.name for p in root.iterdir()]}" if any(root.iterdir()) else ""


def campaign(wanted: int, seed: int = 0) -> dict:
    """Try so many different lines, or all there are; return how many, and what went wrong."""
    every = list(lines())
    chosen = random.Random(seed).sample(every, min(wanted, len(every)))
    wrong = {}
    with tempfile.TemporaryDirectory() as folder:
        for argv in chosen:
            if did := outcome(argv, pathlib.Path(folder)):
                wrong[" ".join(argv)[:200]] = did
    return {"there are": len(every), "tried": len(chosen), "wrong": wrong}


if __name__ == "__main__":
    found = campaign(*[int(text) for text in sys.argv[1:]] or [500])
    sys.stdout.write(json.dumps(found) + "\n")
    sys.exit(bool(found["wrong"]))
