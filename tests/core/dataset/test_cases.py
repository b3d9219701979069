"""Inputs that real people bring, each with its right outcome."""

import pathlib
import re

import pytest

from core import dataset
from core.dataset.preview import understand
from core.dataset.readers import data_in, read
from core.errors import InputError

CASES = pathlib.Path(__file__).parents[4] / "shared" / "cases" / "data"
FILES = sorted(p for p in CASES.glob("*") if p.name != "README.md")
pytestmark = pytest.mark.skipif(not FILES, reason="the folder of cases is not here")

RIGHT = {
    **dict.fromkeys(["j26", "j28"], (1, "alpaca")),
    **dict.fromkeys(["j09", "j15", "j21", "j24", "v18"], (2, "alpaca")),
    **dict.fromkeys(
        [
            "c17",
            "j02",
            "j04",
            "j05",
            "j07",
            "j08",
            "j10",
            "j11",
            "j12",
            "j13",
            "j17",
            "j18",
            "j20",
            "j30",
            "v01",
            "v02",
            "v03",
            "v04",
            "v05",
            "v08",
            "v09",
            "v11",
            "v14",
            "v22",
            "v25",
            "v26",
        ],
        (4, "alpaca"),
    ),
    **dict.fromkeys(["f04", "p08", "p17", "p25", "p31", "q01", "q06", "q08", "q09"], (6, "alpaca")),
    **dict.fromkeys(["f01"], (12, "alpaca")),
    **dict.fromkeys(["j31"], (90, "alpaca")),
    **dict.fromkeys(["v12", "v28"], (200, "alpaca")),
    **dict.fromkeys(["c29"], (4, "function_calls")),
    **dict.fromkeys(["c30"], (4, "gemini")),
    **dict.fromkeys(
        ["c01", "c04", "c07", "c08", "c09", "c11", "c32", "c36", "c37", "c38", "v16", "v17"],
        (4, "messages"),
    ),
    **dict.fromkeys(["c41", "q02"], (6, "messages")),
    **dict.fromkeys(["m01", "m02", "m03", "m06"], (200, "messages")),
    **dict.fromkeys(["c24", "c40"], (4, "prompt_completion")),
    **dict.fromkeys(["p04", "p24"], (6, "prompt_completion")),
    **dict.fromkeys(["p10"], (150, "prompt_completion")),
    **dict.fromkeys(
        ["p01", "p02", "p06", "p09", "p13", "p14", "p18", "p23", "p27", "q04"],
        (6, "question_answer"),
    ),
    **dict.fromkeys(["v23"], (60, "question_answer")),
    **dict.fromkeys(["l06"], (120, "question_answer")),
    **dict.fromkeys(["l04"], (200, "question_answer")),
    **dict.fromkeys(["l01"], (400, "question_answer")),
    **dict.fromkeys(["c06", "c10", "c22", "c23", "c34"], (4, "sharegpt")),
    **dict.fromkeys(["c27"], (4, "transcript")),
    **dict.fromkeys(["p03", "p11", "p12", "p15", "p21", "p22", "p26", "v20"], (6, "two_columns")),
}
"""Case -> its usable rows and the format that it is read as."""
SKIPPED = {
    "j15": {"empty response": 1},
    "j28": {"malformed line": 1},
    "j31": {"not UTF-8": 10},
    "v18": {"malformed line": 2},
}
"""Case -> rows that cannot be used, by reason; none in the others."""
REFUSED = {
    "c13": "not text: content part 'image_url' 4",
    "c25": "--format preference",
    "f03": "test.jsonl, train.jsonl; give one",
    "f05": "train_sft, test_sft: name one with --split",
    "j01": "holds one JSON value",
    "j19": "the first one reads",
    "j27": "is empty",
    "p20": "a row is one turn ('role' says who speaks); write one row a conversation",
    "q07": "names a column twice",
    "q10": "binary data",
    "v10": "names a column twice",
    "v24": "(names of columns, or the first row?); --no-header where that is",
    "v27": "reads 'instruction,output'",
}
"""Case -> what its refusal says."""


def told(case):
    """Return the turns of the first row of a case."""
    (path,) = CASES.glob(f"{case}_*")
    return see(path).rows[0].turns


def see(path):
    """Return all of a case as an import understands it."""
    settings = dataset.Settings(path=str(path))
    return understand(read(str(data_in(path)), "train"), settings)


def test_every_case_has_an_outcome():
    names = {path.name.partition("_")[0] for path in FILES}
    assert names == RIGHT.keys() | REFUSED.keys()
    assert not RIGHT.keys() & REFUSED.keys()


@pytest.mark.parametrize("name", REFUSED)
def test_a_case_that_is_refused_says_why(name, workspace):
    (path,) = CASES.glob(f"{name}_*")
    with pytest.raises(InputError, match=re.escape(REFUSED[name])):
        dataset.run(workspace, dataset.Settings(path=str(path)))


@pytest.mark.parametrize("name", RIGHT)
def test_a_case_is_read_rightly(name):
    (path,) = CASES.glob(f"{name}_*")
    seen = see(path)
    n, form = RIGHT[name]
    assert (seen.n_usable, seen.reading.format) == (n, form)
    assert {r: len(rows) for r, rows in seen.skipped.items()} == SKIPPED.get(name, {})
    assert seen.n_read == n + sum(SKIPPED.get(name, {}).values())
    assert seen.trainable


CONTENTS = {
    "c17": ["First?", "One.", "Second?", "Two apple.", "And apple?", "Also apple."],
    "c23": ["How do I keep a apple?", "Keep the apple dry."],
    "c30": ["Be kind.", "Say apple", "apple"],
    "p01": ["How many apple rows?\n\nCREATE TABLE apple (id INT)", "SELECT COUNT(*) FROM apple"],
    "p02": ["is apple real\n\nThe apple is real.", "false"],
    "p06": ["Which is apple?\n\n0. apple\n1. x\n2. y\n3. z", "0"],
    "p23": ["What colour is apple?\n\nThe apple is red.", "red"],
    "p27": ["Which is apple?\n\nA)apple\nB)x", "A"],
    "p08": ["Extract apple", '{"name": "apple", "n": 0}'],
    "v20": ["The apple lobe\nis clear.", "No apple disease."],
}
"""Case -> what the turns of its first row say."""


@pytest.mark.parametrize("case", CONTENTS)
def test_what_the_first_row_says(case):
    assert [turn["content"] for turn in told(case)] == CONTENTS[case]


def test_marks_calls_and_thoughts_of_the_cases():
    assert [turn.get("train") for turn in told("c01")] == [None, False, None, None]
    for case, place in (("c04", 1), ("c06", 1), ("c29", 1), ("m06", 1)):
        turns = told(case)
        assert turns[place]["tool_calls"][0]["function"]["name"] in ("lookup", "get_weather")
        assert ("tools" in turns[0]) is (case != "m06")
    assert told("c07")[1]["reasoning_content"] == "I add 2 and 0."
