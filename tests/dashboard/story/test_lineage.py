"""The picture of what was made from what: hostile names stay names."""

import re

import pytest

from core.workspace.artifact import Entry
from dashboard.story import lineage
from tests.conftest import HOSTILE


def entry(id, kind, name, **parents):
    return Entry(id, kind, "sealed", name, "", "", {}, {}, parents, "")


def test_nodes_links_and_edges():
    text = lineage.dot([entry("b", "clusters", "two", dataset="a"), entry("a", "dataset", "one")])
    assert '"a" [label="dataset\\none", URL="/dataset?dataset=a"];' in text
    assert '"a" -> "b";' in text
    assert lineage.METHOD.count("->") == 5


@pytest.mark.parametrize("name", [*HOSTILE, '"]; evil [label="x', "a\\", 'b\\"', "\n}", "x" * 999])
def test_a_name_cannot_leave_its_quotes(name):
    text = lineage.dot([entry("a", "dataset", name)])
    without = re.sub(r'"(?:[^"\\]|\\.)*"', "_", text)
    assert without.count("[") == 3
    assert "evil" not in without
    assert without.strip().endswith("}")
    assert without.count("}") == 1


def test_only_the_newest_are_drawn():
    many = [entry(f"{n:03}", "dataset", "d") for n in range(100)]
    text = lineage.dot(many)
    assert text.count("URL=") == lineage.SHOWN
    assert '"099"' in text
