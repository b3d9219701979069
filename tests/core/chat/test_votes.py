"""Votes: counted once a prompt, never lost, sealed with an interval that holds what it says."""

import math
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.chat import Sampling, Tally, win_rate
from core.chat.speakers import base_of
from core.chat.votes import VoteSummary
from core.errors import InputError


@pytest.mark.parametrize(
    ("wins", "losses", "ties", "rate", "low", "high", "p"),
    [
        # Clopper and Pearson's exact limits, as in their tables; p of the exact sign test
        (8, 2, 0, 0.8, 0.4439, 0.9748, 0.1094),
        (10, 0, 3, 1.0, 0.6915, 1.0, 0.0020),
        (0, 5, 0, 0.0, 0.0, 0.5218, 0.0625),
        (1, 1, 9, 0.5, 0.0126, 0.9874, 1.0),
    ],
)
def test_the_interval_is_the_exact_one(wins, losses, ties, rate, low, high, p):
    found = win_rate(wins, losses, ties)
    assert found.votes == wins + losses + ties
    assert [found.rate, found.low, found.high, found.p] == pytest.approx(
        [rate, low, high, p], abs=1e-4
    )


def test_ties_alone_say_nothing():
    found = win_rate(0, 0, 4)
    assert math.isnan(found.rate)
    assert (found.votes, found.p) == (4, 1.0)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 50))
def test_turned_round_it_is_the_other_side(wins, losses, ties):
    ours, theirs = win_rate(wins, losses, ties), win_rate(losses, wins, ties)
    assert ours.p == pytest.approx(theirs.p)
    if wins + losses:
        assert ours.low <= ours.rate <= ours.high
        assert [ours.low, ours.high] == pytest.approx([1 - theirs.high, 1 - theirs.low], abs=1e-9)


def test_votes_are_kept_at_once_and_sealed_with_the_names(runs, spoken):
    workspace = spoken.workspace
    pair = (workspace, runs.one.id, base_of(runs.one), Sampling(tokens=8))
    tally = Tally(*pair, fresh="a")
    with pytest.raises(InputError, match="nobody has voted"):
        tally.seal()
    given = [
        ("q1", "first", False),  # for the model
        ("q2", "first", True),  # for the other
        ("q3", "second", True),  # for the model
        ("q4", "tie", False),
        ("q2", "second", True),  # thought better: for the model
    ]
    counts = [
        tally.add(q, ("a", "b"), choice, swapped=swapped, seed=0) for q, choice, swapped in given
    ]
    assert counts == [1, 2, 3, 4, 4]
    again = Tally(*pair, fresh="a")  # as after a restart of the server
    assert again.count() == 4
    assert Tally(*pair, fresh="b").count() == 0
    made = again.seal()
    assert set(made.summary) == set(typing.get_type_hints(VoteSummary))
    s = made.summary_as(VoteSummary)
    assert (s["votes"], s["wins"], s["losses"], s["ties"], s["first_won"]) == (4, 3, 0, 1, 1)
    assert (s["model"], s["other"]) == ("adapter 0", "base: model")
    assert made.parents == {"finetune": runs.one.id}
    assert made.ancestor("dataset").id == spoken.dataset
    assert workspace.verify(made.id) == []
    assert again.count() == 0, "a new tally begins"
    assert [e.id for e in workspace.made_from(runs.one.id, "vote")] == [made.id]


def test_a_model_against_itself_is_no_vote(runs, spoken):
    with pytest.raises(InputError, match="two different"):
        Tally(spoken.workspace, runs.one.id, runs.one.id, Sampling())


def test_votes_on_runs_of_private_data_keep_no_text(runs, spoken, monkeypatch):
    monkeypatch.setattr("core.chat.votes.is_private", lambda made: True)
    tally = Tally(spoken.workspace, runs.one.id, base_of(runs.one), Sampling(tokens=8), fresh="p")
    for prompt in ("a secret", "another secret", "a secret"):
        n = tally.add(prompt, ("said secret", "secret"), "first", swapped=False, seed=0)
    assert n == 2, "prompts are still told apart"
    written = (tally.seal().path / "votes.jsonl").read_text()
    assert "secret" not in written
    assert written.count("(private)") == 9
