"""A second opinion on verdicts: math-verify, where it is installed, in a process of its own.

It is no dependency: on the project's golden answers it makes more mistakes than the matchers do
(docs/evaluations.md has the numbers). Where it disagrees a person should look. Texts are handed to
it as data; a pair that takes too long is given up and the process ended.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from core.workspace.files import ROOT

SECONDS = 3.0
"""For one pair."""
STARTING = 60.0
"""For the process to load its libraries."""
LONGEST = 20_000
"""Characters of an answer that are handed over, from its end."""


def is_installed() -> bool:
    """Return whether there is a second opinion on this machine."""
    return importlib.util.find_spec("math_verify") is not None


def opinions(pairs: Iterable[tuple[str, str]], seconds: float = SECONDS) -> Iterator[bool | None]:
    """Yield for each (answer, gold) whether it is right; None where there was no answer in time.

    Args:
        pairs: What a model said, and the gold as it is.
        seconds: For a pair.
    """
    child: subprocess.Popen[bytes] | None = None
    broken = False
    try:
        for said, gold in pairs:
            child = child or (None if broken else _started())
            broken = child is None
            verdict = (
                _told(child, {"said": said[-LONGEST:], "gold": gold}, seconds) if child else None
            )
            yield verdict if isinstance(verdict, bool) else None
            if child and (child.poll() is not None or verdict == "late"):
                _end(child)
                child = None
    finally:
        if child:
            _end(child)


def disagreements(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the answers of which the second opinion differs: id, ours, theirs, extracted.

    Args:
        records: Lines of generations.jsonl; only those judged as number or maths are asked of.
    """
    asked = [r for r in records if r["matcher"] in ("number", "maths")]
    verdicts = opinions((r["said"], r["answer"]) for r in asked)
    return [
        {"id": r["id"], "ours": r["right"], "theirs": theirs, "extracted": r["extracted"]}
        for r, theirs in zip(asked, verdicts, strict=True)
        if theirs is not None and theirs != r["right"]
    ]


def _started() -> subprocess.Popen[bytes] | None:
    """Start the process and wait until it is ready; None where it does not become so."""
    child = subprocess.Popen(
        [sys.executable, "-m", "core.evaluations.second_opinion"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if _read(child, STARTING) == "ready":
        return child
    _end(child)
    return None


def _told(child: subprocess.Popen[bytes], pair: dict[str, str], seconds: float) -> Any:
    assert child.stdin is not None
    try:
        child.stdin.write(json.dumps(pair).encode() + b"\n")
        child.stdin.flush()
    except BrokenPipeError:
        return "late"
    return _read(child, seconds)


def _read(child: subprocess.Popen[bytes], seconds: float) -> Any:
    assert child.stdout is not None
    ready, _, _ = select.select([child.stdout], [], [], seconds)
    line = child.stdout.readline() if ready else b""
    with contextlib.suppress(ValueError):
        return json.loads(line)
    return "late"


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        with contextlib.suppress(OSError):
            if pipe:
                pipe.close()


def main() -> None:
    """Answer pairs from stdin, a line each, until it ends."""
    # its own time limits need signals, and are not enough: the parent ends this process
    from math_verify import parse, verify

    def write(answer: Any) -> None:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()

    write("ready")
    for line in sys.stdin:
        pair = json.loads(line)
        try:
            gold = parse(f"\\boxed{{{pair['gold']}}}", parsing_timeout=None)
            said = parse(pair["said"], parsing_timeout=None)
            write(bool(verify(gold, said, timeout_seconds=None)))
        except Exception:  # it falls over many texts
            write(None)


if __name__ == "__main__":
    main()
