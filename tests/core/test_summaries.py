"""A manifest's summary has the keys that its noun declares: a fresh one all, an old one those that
are required."""

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
    "selection": {"scores"},
    "trajectories": {
        *("remarks", "source_sha256", "imported", "carried", "new", "held_out_before"),
    },
    "clusters": {"new_rows", "far_rows", "drift", "reference_distance"},
    "finetune": {
        *("kept_step", "planned_steps", "looked_at"),
        *("left_out_why", "not_asked", "tests", "regression", "second_opinion"),
        *("choices", "choices_right", "choices_right_by_length"),
        *("rouge_items", "texts", "bert_score_absent"),
    },
}
"""Keys of a kind that stand only where an artifact was made in another way than here."""
OPEN = {"finetune": set(METRICS)}
"""Keys that a table gives, so that no type can name them."""
OLD = pathlib.Path(__file__).parents[1] / "fixtures" / "old_workspace.tar.gz"


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
