"""A manifest's summary has exactly the keys that its noun declares, for every kind of artifact."""

import typing

import pytest

from core.selection.artifact import SelectionSummary
from core.study.artifact import StudySummary

SUMMARIES = {"selection": SelectionSummary, "study": StudySummary}
OTHERWISE: dict[str, set[str]] = {}
"""Keys of a kind that stand only where an artifact was made in another way than here."""


def keys(cls) -> set[str]:
    return set(typing.get_type_hints(cls))


@pytest.mark.parametrize("kind", SUMMARIES)
def test_a_fresh_summary_has_the_keys_that_are_declared(kind, finished):
    summary = finished.workspace.open(getattr(finished, kind)).summary
    assert set(summary) == keys(SUMMARIES[kind]) - OTHERWISE.get(kind, set())
