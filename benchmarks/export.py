"""Memory and time of exports against the number of rows: rows are streamed, whatever the format.

Imports a dataset of short generated rows, makes a selection of all of them, then exports it in each
format, each in a process of its own. Memory is the process's highest resident size less what it had
before the export, with all libraries loaded; pages of memory-mapped files count. Linux only.

Run: python benchmarks/export.py [--rows 1000000] [--formats jsonl,messages,...]
The last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import datasets  # noqa: F401  loaded before the export begins

from benchmarks.memory import write
from core import export, selection
from core.export.writers import EXPORT_FORMATS
from core.workspace.store import Workspace


def peak() -> int:
    """Return the highest resident memory of this process alone, in bytes."""
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def measure(root: pathlib.Path, chosen: str, format: str, answer: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    """Export once to a folder, with its card; put what it took into the queue."""
    before, began = peak(), time.monotonic()
    out = pathlib.Path(
        export.run(
            Workspace(root),
            export.Settings(selection=chosen, out=str(root / "out"), format=format),
        )
    )
    seconds = time.monotonic() - began
    answer.put({"gb": round((peak() - before) / 1e9, 3), "seconds": round(seconds, 1)})
    shutil.rmtree(out)


def exports(rows: int, formats: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return what each format took, by its name: gb, seconds."""
    spawn = multiprocessing.get_context("spawn")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder)
        data = write(workspace, rows)
        chosen = selection.run(workspace, selection.Settings(parent=data.id, strategy="full"))
        for format in formats:
            answer = spawn.Queue()
            job = spawn.Process(target=measure, args=(workspace.root, chosen, format, answer))
            job.start()
            job.join()
            if job.exitcode:
                raise SystemExit(f"the export to {format} failed")
            found[format] = answer.get()
            print(f"{format}: {found[format]}", file=sys.stderr)
    return found


def main() -> None:
    """Run once and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--formats", default=",".join(EXPORT_FORMATS))
    args = parser.parse_args()
    found = exports(args.rows, args.formats.split(","))
    most = max(f["gb"] for f in found.values())
    print(json.dumps({"rows": args.rows, "export_rss_gb": most, "formats": found}))


if __name__ == "__main__":
    main()
