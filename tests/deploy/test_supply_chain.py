"""What is installed is pinned by hash, licensed as the list says, and tells nobody anything."""

import json
import os
import re
import subprocess
import sys

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import core
from tests.e2e.conftest import ROOT

sys.path.insert(0, str(ROOT / "deploy"))
import sbom

ALLOWED = {
    *("0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause"),
    *("BSL-1.0", "CC0-1.0", "CC-BY-4.0", "CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU"),
    *("MPL-2.0", "PSF-2.0", "Unlicense", "Zlib", "HPND"),
}
"""Licences that let this program be used, changed and sold; none asks for its own source."""
SAME = {
    "Apache Software License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "BSD": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "ISC License (ISCL)": "ISC",
    "The Unlicense (Unlicense)": "Unlicense",
}
BY_NAME = {
    "zss": "its LICENSE file has BSD terms, its metadata says nothing. Brought by reasoning-gym",
}
"""Packages that do not say it in their metadata, with what is known."""
NVIDIA = re.compile(r"nvidia-|cuda-")
"""What a CUDA build of torch brings: NVIDIA's own terms, on machines with such a GPU."""


def pins(file) -> dict[str, str]:
    """Return name -> version of the lines of a file of requirements or locks."""
    found = {}
    for line in file.read_text().splitlines():
        if re.match(r"[a-zA-Z0-9]", line):
            asked = Requirement(line.partition(" \\")[0].partition("#")[0].strip())
            (version,) = asked.specifier
            assert version.operator == "==", line
            found[canonicalize_name(asked.name)] = version.version
    return found


def test_every_package_is_locked_by_hash_at_the_version_that_is_asked_for():
    base = pins(ROOT / "requirements.lock")
    for part in ("", "-dev", "-cluster"):
        lock = ROOT / f"requirements{part}.lock"
        locked = base | pins(lock)
        asked = pins(ROOT / f"requirements{part}.txt")
        assert {n: locked.get(n) for n in asked if n != "torch"} == {
            n: v for n, v in asked.items() if n != "torch"
        }, f"make lock writes {lock.name} again"
        entries = re.split(r"\n(?=[a-z0-9])", lock.read_text().strip())
        assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
        assert not re.search(r"://|index-url|find-links| @ |trusted-host", lock.read_text())
    assert "torch" not in base


def test_what_is_installed_is_licensed_as_the_list_says():
    unknown = {}
    for name in sbom.needed():
        if name in BY_NAME or NVIDIA.match(name):
            continue
        words = [SAME.get(text, text) for text in sbom.licences(name)]
        parts = [p.strip("() ") for text in words for p in re.split(r" AND | OR ", text)]
        if set(parts) - ALLOWED:
            unknown[name] = words
    assert unknown == {}


@pytest.mark.parametrize(
    ("text", "fine"),
    [("MIT", True), ("GPL-3.0-only", False), ("MIT AND AGPL-3.0", False), ("unknown", False)],
)
def test_a_licence_that_is_not_on_the_list_is_seen(monkeypatch, text, fine):
    monkeypatch.setattr(sbom, "needed", lambda: {"a": []})
    monkeypatch.setattr(sbom, "licences", lambda name: [text])
    if fine:
        test_what_is_installed_is_licensed_as_the_list_says()
    else:
        with pytest.raises(AssertionError):
            test_what_is_installed_is_licensed_as_the_list_says()


def test_the_bill_of_materials_names_every_package_and_what_it_needs(tmp_path):
    out = tmp_path / "sbom.json"
    command = [sys.executable, str(ROOT / "deploy" / "sbom.py"), str(out)]
    subprocess.run(command, check=True, cwd=tmp_path)
    bill = json.loads(out.read_text())
    parts = {part["name"]: part for part in bill["components"]}
    assert {"torch", "streamlit", "starlette", "numpy", "authlib"} <= set(parts)
    assert all(part["licenses"] and part["version"] for part in parts.values())
    refs = {part["bom-ref"] for part in bill["components"]}
    needs = {d["ref"]: d["dependsOn"] for d in bill["dependencies"]}
    assert set(needs) == refs
    assert all(set(below) <= refs for below in needs.values())
    assert parts["starlette"]["bom-ref"] in needs[parts["streamlit"]["bom-ref"]]


def test_the_telemetry_of_every_library_is_off():
    for name, value in core.NO_TELEMETRY.items():
        assert os.environ[name] == value
    code = (
        "import core, huggingface_hub.constants as c, streamlit as st; "
        "print(c.HF_HUB_DISABLE_TELEMETRY, st.get_option('browser.gatherUsageStats'))"
    )
    told = {**os.environ, "HF_HUB_DISABLE_TELEMETRY": "0"}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=told, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["True", "False"]
