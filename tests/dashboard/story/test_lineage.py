"""The picture of what was made from what: hostile names stay names."""

import re

import pytest

from core.edits.labels import Label
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


def test_a_box_says_what_its_name_adds_to_those_before_it():
    names = ["puzzles", "puzzles · tiny", "puzzles: one draw"]
    text = lineage.dot([entry(str(n), "dataset", name) for n, name in enumerate(names)])
    assert [line.split("\\n")[1].split('"')[0] for line in text.splitlines() if "URL" in line] == [
        "puzzles",
        "tiny",
        "one draw",
    ]


def test_only_the_newest_are_drawn():
    many = [entry(f"{n:03}", "dataset", "d") for n in range(100)]
    text = lineage.dot(many)
    assert text.count("URL=") == lineage.SHOWN
    assert '"099"' in text


def test_what_a_study_made_for_itself_is_counted_in_its_box():
    made = [
        entry("a", "dataset", "d"),
        entry("b", "clusters", "c", dataset="a"),
        entry("c1", "selection", "of the study", parent="b"),
        entry("c2", "selection", "also fine-tuned by hand", parent="b"),
        entry("d1", "finetune", "run", selection="c1"),
        entry("d2", "finetune", "run", selection="c2"),
        entry("d3", "finetune", "by hand", selection="c2"),
        entry("e", "study", "s", **{"s2l 0": "d1", "s2l 1": "d2"}),
    ]
    text = lineage.dot(made)
    assert re.findall(r'"(\w+)" \[label', text) == ["a", "b", "c2", "d3", "e"]
    assert "2 fine-tunes, 1 selection" in text
    assert '"b" -> "e";' in text
    assert '"c2" -> "e";' in text
    named = lineage.dot(made, {"d1": Label("mine")})
    assert "1 fine-tune, 1 selection" in named
    assert '"d1" -> "e";' in named
