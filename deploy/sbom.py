"""A software bill of materials of this installation, as CycloneDX JSON.

`python deploy/sbom.py FILE`: each package that requirements.txt brings here, with its version,
licence, where it can be looked up, and what it needs. `licences` is what the test compares.
"""

import importlib.metadata as metadata
import json
import pathlib
import sys
from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).parents[1]


def needed(file: pathlib.Path = ROOT / "requirements.txt") -> dict[str, list[str]]:
    """Return each package that a file brings to this machine -> what it needs, by name."""
    lines = file.read_text(encoding="utf-8").splitlines()
    left = [Requirement(line) for line in lines if line and not line.startswith("#")]
    found: dict[str, list[str]] = {}
    seen: set[tuple[str, str]] = set()
    while left:
        asked = left.pop()
        name = canonicalize_name(asked.name)
        wanted = {(name, extra) for extra in asked.extras or {""}} - seen
        if not wanted:
            continue
        seen |= wanted
        more = [Requirement(text) for text in metadata.requires(name) or []]
        own = [
            r
            for r in more
            if not r.marker or any(r.marker.evaluate({"extra": e}) for _, e in wanted)
        ]
        known = set(found.get(name, [])) | {canonicalize_name(r.name) for r in own}
        found[name] = sorted(known)
        left += own
    return dict(sorted(found.items()))


def licences(name: str) -> list[str]:
    """Return what a package says its licence is: an expression, else classifiers, else words."""
    about = metadata.metadata(name)
    if expression := about.get("License-Expression"):
        return [expression]
    marks = [v for k, v in about.items() if k == "Classifier" and v.startswith("License :: ")]
    named = [m.rpartition(" :: ")[2] for m in marks if m != "License :: OSI Approved"]
    return named or [(about.get("License") or "unknown").strip().splitlines()[0][:80]]


def components(packages: dict[str, list[str]]) -> Iterator[dict[str, object]]:
    """Yield a CycloneDX component for each package."""
    for name in packages:
        version = metadata.version(name)
        purl = f"pkg:pypi/{name}@{version}"
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": version,
            "purl": purl,
            "licenses": [{"license": {"name": text}} for text in licences(name)],
        }


def bill() -> dict[str, object]:
    """Return the whole bill."""
    packages = needed()
    parts = list(components(packages))
    refs = {str(part["name"]): str(part["bom-ref"]) for part in parts}
    depend = [
        {"ref": refs[name], "dependsOn": [refs[n] for n in needs if n in refs]}
        for name, needs in packages.items()
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "s2l-studio"}},
        "components": parts,
        "dependencies": depend,
    }


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    out.write_text(json.dumps(bill(), indent=1) + "\n", encoding="utf-8")
