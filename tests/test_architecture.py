"""The house: imports go down one list, nothing goes round, the engine knows no page."""

import ast
import collections
import graphlib
import pathlib
import subprocess
import sys
from typing import NamedTuple

import pytest

ROOT = pathlib.Path(__file__).parents[1]
ORDER = [
    "pages",
    "dashboard.main",
    "dashboard.story",
    "dashboard.study",
    "dashboard.selection",
    "dashboard.clusters",
    "dashboard.trajectories",
    "dashboard.finetune",
    "dashboard.chat",
    "dashboard.dataset",
    "dashboard.frame",
    "dashboard.charts",
    "dashboard.escape",
    "core.__main__",
    "core.commands",
    "core.demo",
    "core.report",
    "core.study",
    "core.gains",
    "core.chat",
    "core.publish",
    "core.export",
    "core.review",
    "core.transfer",
    "core.finetune",
    "core.evaluations",
    "core.selection",
    "core.clusters",
    "core.layout",
    "core.trajectories",
    "core.training",
    "core.dataset",
    "core.model",
    "core.edits",
    "core.dataset.artifact",
    "core.jobs",
    "core.run_file",
    "core.workspace",
    "core.nouns",
    "core.settings",
    "core.spec",
    "core.numbers",
    "core.arrays",
    "core.errors",
    "core.faces",
]
"""Packages and single files, from the top: each imports only what stands below it."""
OLD = {"core.recorder"}
"""Import paths of before, each two lines that point to the new one."""
HEAVY = {
    "torch",
    "transformers",
    "umap",
    "peft",
    "accelerate",
    "datasets",
    "reasoning_gym",
    "sklearn",
    "tokenizers",
    "ray",
    "trl",
    "scipy",
}
CALLBACKS = {
    "core.finetune.fit_trial",
    "core.training.keeper",
    "core.training.loop",
    "core.training.trainer",
    "core.training.watching",
    "core.trajectories.recorder",
    "core.trajectories.epoch_recorder",
}
"""A callback subclasses transformers' own class, so it is imported inside functions only."""
LONGEST = 305
"""Lines of a file."""
LONGEST_FUNCTION = 80
"""Lines of a function, its docstring counted."""
SHARED_NAMES = {"Settings", "_Parser"}
"""Class names that stand in several files: what may be set of a noun, and a detail."""


class Import(NamedTuple):
    file: str
    line: int
    module: str
    """A module of ours, or the top package of a library."""
    at_once: bool
    """Whether importing the file imports it."""

    def __str__(self):
        return f"{self.file}:{self.line} imports {self.module}"


def module_of(path: pathlib.Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {
    module_of(path): path
    for folder in ("core", "dashboard", "pages")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def imports_of(module: str, tree: ast.Module, modules=FILES) -> list[Import]:
    """Read every import of a file, those inside functions and for type checkers too."""
    later = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.If)
        for node in ast.walk(outer)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules else str(node.module) for name in inside]
        else:
            continue
        for name in names:
            ours = name.partition(".")[0] in ("core", "dashboard", "pages")
            target = name if ours else name.partition(".")[0]
            found.append(Import(module, node.lineno, target, id(node) not in later))
    return found


IMPORTS = [one for m, path in FILES.items() for one in imports_of(m, ast.parse(path.read_text()))]
OURS = [one for one in IMPORTS if one.module in FILES]


def package_of(module: str) -> str:
    """Return the entry of ORDER that a module belongs to."""
    parts = module.split(".")
    return next(e for n in (3, 2, 1) if (e := ".".join(parts[:n])) in ORDER)


def upwards(imports: list[Import]) -> list[str]:
    """Name the imports that do not go down the list."""
    wrong = []
    for one in imports:
        if one.file in OLD or one.module in ("core", "dashboard"):
            continue
        here, there = package_of(one.file), package_of(one.module)
        if here != there and ORDER.index(there) < ORDER.index(here):
            wrong.append(str(one))
    return wrong


def circle(imports: list[Import]) -> list[str]:
    """Return files that import each other in a circle; none where there is no circle.

    A face imports its own package for type checkers only, so it is no step of a circle.
    """
    faces = {m for m, path in FILES.items() if path.name == "__init__.py"}
    graph: dict[str, set[str]] = {}
    for one in imports:
        if one.file not in faces and one.module not in faces:
            graph.setdefault(one.file, set()).add(one.module)
    try:
        list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as e:
        return list(e.args[1])
    return []


def heavy(imports: list[Import]) -> list[str]:
    """Name the imports that make loading a file slow."""
    slow = HEAVY | CALLBACKS
    return [
        str(one)
        for one in imports
        if one.at_once and one.module in slow and one.file not in CALLBACKS | OLD
    ]


def test_every_file_has_its_place_in_the_order():
    placed = {package_of(m) for m in FILES if m not in OLD and m not in ("core", "dashboard")}
    assert placed == set(ORDER)


def test_every_folder_of_code_says_what_it_is():
    """A folder named as something that git ignores once lost its first file."""
    folders = {path.parent for m, path in FILES.items() if not m.startswith("pages.")}
    assert [str(f) for f in sorted(folders) if not (f / "__init__.py").exists()] == []
    assert all(ast.get_docstring(ast.parse((f / "__init__.py").read_text())) for f in folders)


def test_no_page_has_a_text_of_its_own():
    """Streamlit shows a bare string of a page, a constant's docstring too, as text."""
    bare = [
        f"{m}:{node.lineno}"
        for m, path in FILES.items()
        if m.startswith("pages.")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ]
    assert bare == []


def test_imports_go_down_the_list():
    assert upwards(OURS) == []


def test_no_files_import_each_other_in_a_circle():
    assert circle(OURS) == []


def test_the_engine_knows_no_page():
    assert [str(o) for o in IMPORTS if o.module == "streamlit" and o.file.startswith("core")] == []


def test_nothing_heavy_is_loaded_before_it_is_used():
    assert heavy(IMPORTS) == []


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("core.model.tokens", "from core.dataset import search", upwards),
        ("core.model.tokens", "def f():\n    from core.selection.pool import Pool", upwards),
        ("core.jobs.record", "from core.jobs.queue import submit", circle),
        ("core.selection.pool", "import torch", heavy),
        ("core.selection.pool", "from core.trajectories.recorder import plan", heavy),
        ("dashboard.charts.theme", "from dashboard.frame import state", upwards),
    ],
)
def test_a_wrong_import_is_seen(module, source, found):
    more = imports_of(module, ast.parse(source))
    assert found([*IMPORTS, *more] if found is heavy else [*OURS, *more])


def test_the_face_of_every_package_loads_nothing_heavy():
    nouns = sorted(m for m, path in FILES.items() if path.name == "__init__.py")
    rest = sorted(m for m in FILES if m.startswith("core.") and m not in CALLBACKS | OLD)
    for modules in (nouns, rest):
        code = f"import sys, {', '.join(modules)}; print({HEAVY} & sys.modules.keys())"
        said = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert said.stdout == "set()\n", modules


def test_files_are_short():
    long = {m: n for m, p in FILES.items() if (n := p.read_text().count("\n")) > LONGEST}
    assert long == {}


def test_functions_are_short():
    long = {
        f"{m}.{node.name}": n
        for m, path in FILES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and (n := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}


def test_a_class_name_means_one_thing():
    names = collections.Counter(
        node.name
        for path in FILES.values()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    )
    assert {name for name, n in names.items() if n > 1} == SHARED_NAMES


def test_a_face_offers_its_function_though_a_file_has_its_name():
    """Importing the file puts the module in the package, where the function was to be found."""
    code = (
        "import core.clusters.run, core.selection.run\n"
        "from core import clusters, selection\n"
        "from core.trajectories import TrajectoryRecorder as new\n"
        "from core.recorder import TrajectoryRecorder as old\n"
        "assert callable(clusters.run) and callable(selection.run) and new is old\n"
        "assert 'Settings' in dir(clusters) and not hasattr(clusters, 'nonsense')\n"
        "try: clusters.run = None\n"
        "except AttributeError as e: assert 'change core.clusters.run' in str(e)\n"
        "else: raise AssertionError('what is changed in a face changes nothing')\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
