"""A second judge in a process of its own: it may fall over, hang or be missing."""

import pytest

from core.evaluations import second_opinion
from core.evaluations.second_opinion import disagreements, opinions

JUDGE = """
import time

def parse(text, parsing_timeout):
    return text

def verify(gold, said, timeout_seconds):
    if "hang" in said:
        time.sleep(600)
    if "fall" in said:
        raise ValueError
    if "die" in said:
        raise SystemExit
    return gold == "\\\\boxed{" + said + "}"
"""


@pytest.fixture
def judge(tmp_path, monkeypatch):
    """Put a judge of our own where math-verify would be."""
    (tmp_path / "math_verify.py").write_text(JUDGE)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{second_opinion.ROOT}")


@pytest.mark.usefixtures("judge")
def test_one_that_falls_over_dies_or_hangs_costs_its_pair_only():
    pairs = [("4", "4"), ("fall", "4"), ("5", "4"), ("die", "4"), ("7", "7")]
    assert list(opinions(pairs, seconds=60)) == [True, None, False, None, True]
    assert list(opinions([("hang", "4")], seconds=0.2)) == [None]


@pytest.mark.usefixtures("judge")
def test_only_verdicts_on_numbers_and_maths_are_asked_of_and_the_differing_listed():
    same = {"matcher": "number", "said": "4", "answer": "4", "right": True, "extracted": "4"}
    other = {**same, "right": False, "id": "b"}
    records = [{**same, "id": "a"}, other, {**other, "id": "c", "matcher": "text"}]
    assert disagreements(records) == [{"id": "b", "ours": False, "theirs": True, "extracted": "4"}]


def test_without_it_there_is_no_opinion(tmp_path, monkeypatch):
    (tmp_path / "math_verify.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{second_opinion.ROOT}")
    assert list(opinions([("4", "4")] * 50)) == [None] * 50, "it is not started again and again"
