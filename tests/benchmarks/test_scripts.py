"""Every benchmark starts by the command that the docs name."""

import ast
import pathlib

import pytest

from benchmarks import evidence

FILES = sorted(pathlib.Path(evidence.__file__).parent.glob("*.py"))
SCRIPTS = [file for file in FILES if "__main__" in file.read_text()]
OURS = ("core", "dashboard", "benchmarks", "tests")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_a_script_knows_where_the_project_is_before_it_imports_from_it(script):
    lines = ast.parse(script.read_text()).body
    modules = {
        line.lineno: line.module.split(".")[0]
        for line in lines
        if isinstance(line, ast.ImportFrom) and line.module
    }
    ours = [number for number, module in modules.items() if module in OURS]
    path = [line.lineno for line in lines if "sys.path.insert" in ast.unparse(line)]
    assert not ours or (path and path[0] < min(ours))
