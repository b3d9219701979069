import numpy as np
import pytest

from core.selection.advice import Facts, advise, facts_of, in_lines

HARD = np.arange(700)


def test_what_the_data_says_is_one_sentence_with_reasons_that_cite_an_experiment():
    named = Facts(3000, (2000, 900, 100))
    assert "evenly over them" in advise(named).sentence
    assert [r.experiment for r in advise(named).reasons] == ["mixture"]
    full = advise(Facts(3000, (2000, 1000), 0.3, HARD, 3000))
    assert [r.experiment for r in full.reasons] == ["mixture", "redundancy", "noise"]
    assert full.examples.tolist() == [0, 1, 2, 3, 4]
    assert "repeats itself" in advise(Facts(3000, repeated=0.3)).sentence
    nothing = advise(Facts(3000))
    assert "Nothing here speaks" in nothing.sentence
    assert not nothing.reasons
    assert not len(nothing.examples)
    assert [r.experiment for r in advise(Facts(200)).reasons] == ["noninferior"]


def test_sources_are_even_where_all_are_equally_common():
    assert Facts(4, (1, 1, 1, 1)).evenness == pytest.approx(1)
    assert Facts(100, (97, 1, 1, 1)).evenness == pytest.approx(0.12, abs=0.01)
    assert Facts(4).evenness == 1


def test_facts_are_counted_in_the_pool_alone(finished):
    workspace = finished.workspace
    dataset = workspace.open(finished.dataset)
    facts = facts_of(dataset, workspace.open(finished.trajectories))
    assert facts.rows == sum(facts.sources) == dataset.summary["pool_rows"]
    assert facts.measured == finished.pool
    assert 0 <= len(facts.hard) < facts.measured
    assert facts_of(dataset).measured == 0


def test_a_terminal_gets_a_line_a_reason(finished):
    lines = in_lines(advise(facts_of(finished.workspace.open(finished.dataset))))
    assert lines[0].startswith("when to use S2L: ")
    assert all("docs/evidence.md#" in line for line in lines[1:])
