"""A manifest's summary has the keys that its noun declares: a fresh one all, an old one those that
are required."""

import ast
import json
import pathlib
import tarfile
import typing

import pytest

from core.clusters.artifact import ClustersSummary
from core.dataset.artifact import DatasetSummary
from core.finetune.artifact import FinetuneSummary
from core.finetune.metrics import METRICS
from core.layout.artifact import LayoutSummary
from core.selection.artifact import SelectionSummary
from core.study.artifact import StudySummary
from core.trajectories.artifact import TrajectoriesSummary
from core.transfer.artifact import TransferSummary
from tests.conftest import Finished

SUMMARIES = {
    "dataset": DatasetSummary,
    "trajectories": TrajectoriesSummary,
    "layout": LayoutSummary,
    "transfer": TransferSummary,
    "clusters": ClustersSummary,
    "finetune": FinetuneSummary,
    "selection": SelectionSummary,
    "study": StudySummary,
}
OTHERWISE = {
    "dataset": {"carried", "notes"},
    "selection": {"scores", "queries"},
    "trajectories": {
        *("remarks", "source_sha256", "imported", "carried", "new", "held_out_before"),
    },
    "clusters": {"new_rows", "far_rows", "drift", "reference_distance"},
    "finetune": {
        *("kept_step", "planned_steps", "looked_at", "train_forecast"),
        *("left_out_why", "not_asked", "tests", "regression", "second_opinion"),
        *("choices", "choices_right", "choices_right_by_length"),
        *("rouge_items", "texts", "bert_score_absent"),
    },
}
"""Keys of a kind that stand only where an artifact was made in another way than here."""
OPEN = {"finetune": set(METRICS)}
"""Keys that a table gives, so that no type can name them."""
OLD = pathlib.Path(__file__).parents[1] / "fixtures" / "old_workspace.tar.gz"


def untyped(tree: ast.Module) -> list[int]:
    """Return the lines that read a key of a summary by its name, which no type then knows.

    A name that was given a summary counts as the summary; `summary_as` has a type, and a key that
    a table gives (`summary[key]`) has none.
    """
    here = (ast.FunctionDef, ast.Module)
    out = set()
    for scope in (node for node in ast.walk(tree) if isinstance(node, here)):
        given = [
            (target, value)
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign)
            for target in node.targets
            for target, value in (
                zip(target.elts, node.value.elts, strict=True)
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                else [(target, node.value)]
            )
        ]
        names = {
            target.id
            for target, value in given
            if isinstance(target, ast.Name) and is_summary(value, set())
        }
        for node in ast.walk(scope):
            if isinstance(node, ast.Subscript) and is_summary(node.value, names):
                key = node.slice
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "get"
                and is_summary(node.func.value, names)
            ):
                key = node.args[0]
            else:
                continue
            if isinstance(key, ast.Constant):
                out.add(node.lineno)
    return sorted(out)


def is_summary(node: ast.AST, names: set[str]) -> bool:
    named = isinstance(node, ast.Name) and node.id in names
    return named or (isinstance(node, ast.Attribute) and node.attr == "summary")


def keys(cls) -> set[str]:
    return set(typing.get_type_hints(cls))


def required(cls) -> set[str]:
    types = typing.get_type_hints(cls, include_extras=True)
    optional = {key for key, t in types.items() if typing.get_origin(t) is typing.NotRequired}
    return keys(cls) - optional - cls.__optional_keys__


@pytest.fixture(scope="module")
def old() -> list[tuple[str, set[str]]]:
    """Kind and keys of every summary in a workspace of an earlier version."""
    with tarfile.open(OLD) as tar:
        manifests = [
            json.load(tar.extractfile(name))
            for name in tar.getnames()
            if name.endswith("/manifest.json")
        ]
    return [(made["kind"], set(made["summary"])) for made in manifests]


@pytest.mark.parametrize("kind", [kind for kind in SUMMARIES if kind in Finished._fields])
def test_a_fresh_summary_has_the_keys_that_are_declared(kind, finished):
    summary = finished.workspace.open(getattr(finished, kind)).summary
    there = set(summary) - OPEN.get(kind, set())
    assert there == keys(SUMMARIES[kind]) - OTHERWISE.get(kind, set())


@pytest.mark.parametrize("kind", SUMMARIES)
def test_an_old_summary_has_the_keys_that_are_required(kind, old):
    summaries = [there - OPEN.get(kind, set()) for made, there in old if made == kind]
    assert summaries
    for there in summaries:
        assert required(SUMMARIES[kind]) <= there <= keys(SUMMARIES[kind])


def test_a_summary_is_read_by_its_type():
    """A misspelt key is then found by the type checker, not by a person on a page."""
    root = pathlib.Path(__file__).parents[2]
    files = [p for folder in ("core", "dashboard", "pages") for p in (root / folder).rglob("*.py")]
    found = [
        f"{path.relative_to(root)}:{line}"
        for path in sorted(files)
        if ".summary" in (text := path.read_text())
        for line in untyped(ast.parse(text))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("a.summary['rows']", True),
        ("a.summary.get('rows')", True),
        ("s, n = a.summary, 1; s['rows']", True),
        ("a.summary_as(X)['rows']", False),
        ("a.summary[key]", False),
    ],
)
def test_an_untyped_read_is_seen(line, seen):
    assert bool(untyped(ast.parse(line))) == seen
