"""The summary to paste: few lines, the report's own numbers, the commands that repeat it."""

import pytest

from core.report.document import Code, Number, Paragraph, Table
from core.report.run import page, tell
from core.report.sections.brief import LIMITS


@pytest.fixture(scope="module")
def told(finished):
    return tell(finished.workspace.open(finished.study))


def spans(sections):
    for block in (block for section in sections for block in section.blocks):
        for of in ("spans", "words", "note"):
            yield from getattr(block, of, ())
        for item in getattr(block, "items", ()):
            yield from item
        for cell in (cell for row in getattr(block, "rows", ()) for cell in row):
            yield from cell


def test_it_has_one_table_every_arm_the_limits_of_this_result_and_the_commands(told, finished):
    by_key = {section.key: section.blocks for section in told.brief}
    assert list(by_key) == ["question", "method", "results", "limits", "provenance"]
    (scores,) = (b for blocks in by_key.values() for b in blocks if isinstance(b, Table))
    arms = finished.workspace.open(finished.study).summary["arms"]
    assert {row[0][0].text for row in scores.rows if not isinstance(row[0][0], str)} == set(arms)
    assert len(by_key["limits"][0].items) == LIMITS + 1
    assert isinstance(by_key["provenance"][-1], Code)
    assert page(finished.workspace.open(finished.study), "md").count("\n") < 75


def test_its_numbers_are_those_of_the_whole_report(told):
    whole = {(n.source, n.text) for n in spans(told.sections) if isinstance(n, Number)}
    few = [n for n in spans(told.brief) if isinstance(n, Number)]
    assert len(few) > 20
    assert {(n.source, n.text) for n in few} <= whole


def test_what_is_missing_is_named_with_its_command(finished):
    report = tell(finished.workspace.open(finished.trajectories))
    said = [b for section in report.brief for b in section.blocks if isinstance(b, Paragraph)]
    assert any("core clusters" in getattr(s, "text", "") for p in said for s in p.spans)
