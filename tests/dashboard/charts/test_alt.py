"""Every picture on a page says in words what it shows, for who cannot see it."""

import ast
import pathlib

ROOT = pathlib.Path(__file__).parents[3]


def test_every_chart_has_a_text():
    without = []
    for path in [*(ROOT / "dashboard").rglob("*.py"), *(ROOT / "pages").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or "alt" in {k.arg for k in node.keywords}:
                continue
            if getattr(node.func, "attr", "").endswith("_chart"):
                without.append(f"{path.name}:{node.lineno}")
    assert without == []
