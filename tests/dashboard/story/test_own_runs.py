"""What a study made for itself stands with it; what several share stands with the newest."""

from core.workspace.artifact import Entry
from dashboard.story import own_runs


def entry(id, kind, **parents):
    return Entry(id, kind, "sealed", id, "", "", {}, {}, parents, "")


MADE = [
    entry("b", "clusters"),
    entry("c1", "selection", parent="b"),
    entry("c2", "selection", parent="b"),
    entry("d1", "finetune", selection="c1"),
    entry("d2", "finetune", selection="c2"),
    entry("e1", "study", **{"s2l 0": "d1"}),
    entry("e2", "study", **{"s2l 0": "d1", "s2l 1": "d2"}),
]


def ids(own):
    return {study: [e.id for e in runs] for study, runs in own.items()}


def test_runs_that_two_studies_share_stand_with_the_newest():
    own = own_runs.of_studies(MADE)
    assert ids(own) == {"e2": ["d1", "d2", "c1", "c2"]}
    assert own_runs.counted(own["e2"]) == "2 fine-tunes, 2 selections"


def test_what_a_person_named_stands_by_itself():
    assert ids(own_runs.of_studies(MADE, {"d1", "c2"})) == {"e2": ["d2", "c1"]}


def test_a_selection_that_was_also_trained_by_hand_is_not_the_studys():
    by_hand = [*MADE, entry("d3", "finetune", selection="c2")]
    assert ids(own_runs.of_studies(by_hand)) == {"e2": ["d1", "d2", "c1"]}
