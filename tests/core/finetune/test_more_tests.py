"""A fine-tune tested on several tests at once: each has its own files, scores and counts."""

import json

import pandas as pd
import pytest

from core import dataset, finetune
from core.dataset.privacy import HIDDEN
from core.errors import InputError
from core.evaluations import load_all
from core.finetune.evaluate import check_answers
from core.finetune.more_tests import by_kind, folder_of
from core.workspace.files import read_json, read_jsonl
from tests.conftest import TUNE, write

pytestmark = pytest.mark.usefixtures("quick")
LONG = "the heart is of normal size and the lungs are clear of any consolidation"


@pytest.fixture(scope="module")
def files(finished, tmp_path_factory):
    """Write a test of choices, one of summaries, one of reports, and one half out of the pool."""
    folder = tmp_path_factory.mktemp("tests")
    choices = [
        {"question": f"Which {i}?", "choices": ["one", "two words", "z" * 3000], "answer": i % 2}
        for i in range(4)
    ]
    choices.append({"question": "Which?", "choices": ["a", "b"], "answer": "c"})
    summaries = [{"document": f"Report {i}. {LONG}.", "summary": LONG} for i in range(3)]
    report = "FINDINGS: The ZEBRA heart is large.\n\nIMPRESSION: Large ZEBRA heart.\n"
    reports = [{"CATEGORY": "Radiology", "TEXT": report}, {"CATEGORY": "ECG", "TEXT": "Sinus."}]
    rows = dataset.examples(finished.workspace.open(finished.dataset))
    pool = rows[rows["split"] == "pool"].iloc[:3]
    half = [{"question": f"Is {i} a number of its own?", "answer": f"{i}"} for i in range(2)] + [
        {"question": p, "answer": r} for p, r in zip(pool["prompt"], pool["response"], strict=True)
    ]
    return {
        name: write(folder / f"{name}.jsonl", content)
        for name, content in {
            "choices": choices,
            "summaries": summaries,
            "reports": reports,
            "half": half,
        }.items()
    }


@pytest.fixture(scope="module")
def made(finished, files):
    named = f"choice={files['choices']},summary={files['summaries']},clinical={files['reports']}"
    settings = finetune.Settings(
        **{**TUNE, "steps": 1},
        selection=finished.selection,
        eval=str(files["half"]),
        tests=f"regression,{named}",
        answer_tokens=8,
    )
    return finished.workspace.open(finetune.run(finished.workspace, settings))


def test_every_test_has_scores_answers_and_items_of_its_own(finished, made):
    tests = made.summary["tests"]
    assert list(tests) == ["regression", "choice", "summary", "clinical"]
    for key, told in tests.items():
        place = folder_of(made.path, key)
        scores = read_json(place / "scores.json")
        assert {k: scores[k] for k in ("items", "judged")} == {
            k: told[k] for k in ("items", "judged")
        }
        assert len(list(read_jsonl(place / "generations.jsonl"))) == min(8, told["items"])
        assert len(pd.read_parquet(place / "items.parquet")) == told["items"]
        assert made.parents[f"test {key}"] == told["dataset"]
    assert tests["choice"]["left_out"] == {"the answer names none of the choices": 1}
    assert made.summary["decoded"] == 5, "the first test stands where it always stood"
    json.dumps(made.manifest, allow_nan=False)


def test_choices_are_compared_by_likelihood_and_nothing_is_generated(made):
    told = made.summary["tests"]["choice"]
    assert "exact_match" not in told
    records = list(read_jsonl(folder_of(made.path, "choice") / "generations.jsonl"))
    for record in records:
        sums = record["likelihoods"]
        assert sums[2] is None or sums[2] < sums[0], "3,000 letters are less likely than one word"
    assert {r["where"] for r in records} <= {
        "the likeliest choice",
        "a choice does not fit into the model",
    }
    assert told["choices"] == 4
    assert told["choices_right"] == sum(r["right"] for r in records)
    assert told["choices_right_by_length"] == sum(r["right_by_length"] for r in records)


def test_free_text_is_compared_with_its_reference(made):
    told = made.summary["tests"]["summary"]
    assert 0 <= told["rouge_l"] <= 1
    assert 0 <= told["bleu"] <= 100
    assert (told["texts"], told["rouge_items"]) == (3, 3)
    assert "exact_match" not in told
    assert told["bert_score_absent"].startswith("no encoder is named")
    assert told["longer_golds"] == 3, "an answer of 8 tokens cannot say them"


def test_a_clinical_test_is_private_and_leaves_no_text_behind(finished, made, capsys):
    test = finished.workspace.open(made.summary["tests"]["clinical"]["dataset"], "dataset")
    assert test.config["private"]
    assert "ZEBRA" in dataset.examples(test)["prompt"].iloc[0], "the reader reads it"
    place = folder_of(made.path, "clinical")
    kept = "".join(p.read_text() for p in place.iterdir() if p.suffix in (".json", ".jsonl"))
    assert "ZEBRA" not in kept + json.dumps(made.manifest)
    assert HIDDEN in kept
    assert made.summary["tests"]["clinical"]["left_out"] == {"no radiology report": 1}


def test_the_regression_suite_says_what_was_made_worse(made):
    kinds = read_json(made.path / "regression.json")["kinds"]
    assert [k["kind"] for k in kinds] == ["arithmetic", "choice", "copying", "format"]
    assert "regression suite" in made.summary["regression"] or "worse" in made.summary["regression"]
    items = pd.DataFrame(
        {
            "source": ["a", "a", "b", "b", "c"],
            "right": [True, False, None, None, None],
            "choice": [None, None, True, False, None],
        }
    )
    assert by_kind(items) == {"a": 1, "b": 1, "c": 0}


def test_scores_stand_with_and_without_the_items_that_the_pool_has(made):
    s = made.summary
    assert (s["items"], s["clean_items"]) == (5, 2)
    items = pd.read_parquet(made.path / "items.parquet")
    assert items["overlap"].sum() == 3
    clean = items[~items["overlap"]]
    assert s["clean_exact_match"] == clean["right"].astype(bool).mean()
    assert s["clean_decoded"] == 2


def test_the_identity_names_the_tests(finished, files):
    chosen = finished.workspace.open(finished.selection)
    test = finished.workspace.open(finished.dataset)
    plain = finetune.Settings(**TUNE, selection=chosen.id)
    several = finetune.Settings(**TUNE, selection=chosen.id, tests=f"choice={files['choices']}")
    more = load_all(finished.workspace, several.tests)
    keys = {
        finetune.key(chosen, test, plain),
        finetune.key(chosen, test, several, more),
        finetune.key(chosen, test, several, [more[0]._replace(dataset=test)]),
    }
    assert len(keys) == 3
    assert finetune.key(chosen, test, plain) == finetune.key(chosen, test, plain, [])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"tests": "gsm9k"}, "a test with a name is NAME or NAME=PATH"),
        ({"tests": "numglue"}, "numglue needs its file"),
        ({"encoder": "bert-base"}, "--encoder bert-base is no folder"),
    ],
)
def test_what_would_fail_after_the_training_is_refused_before_it(finished, wrong, words):
    before = finished.workspace.entries("finetune")
    with pytest.raises(InputError, match=words):
        finetune.run(
            finished.workspace, finetune.Settings(**TUNE, selection=finished.selection, **wrong)
        )
    assert finished.workspace.entries("finetune") == before


def test_a_test_set_without_answers_is_refused_before_the_training(finished, tmp_path):
    rows = [{"instruction": f"Say {i}.", "answer": " ", "topic": "x"} for i in (1, 2)]
    wanted = finetune.Settings(
        **TUNE, selection=finished.selection, eval=str(write(tmp_path / "open.jsonl", rows))
    )
    with pytest.raises(InputError, match="empty answer 2"):
        finetune.run(finished.workspace, wanted)
    silent = {"role": "assistant", "content": "", "reasoning_content": "Hm."}
    file = write(tmp_path / "hm.jsonl", [{"messages": [{"role": "user", "content": "?"}, silent]}])
    test = finished.workspace.open(dataset.load_any(finished.workspace, str(file)))
    with pytest.raises(InputError, match="none of the 1 items of hm has an answer"):
        check_answers(test, "all")
