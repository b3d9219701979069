"""What a study found, as sentences and as plain data; what it took; where its items belong."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from core.study import artifact as kept
from core.study import costs, findings, noise, plan


@pytest.fixture(scope="module")
def made(finished):
    return finished.workspace.open(finished.study)


def test_sentences_begin_with_the_answer(made):
    table = kept.table(made)
    said = findings.sentences(made, table, "exact_match")
    assert said[0].startswith("S2L is ")
    assert "on one draw each: a walk-through, not evidence." in said[0]
    assert "two shares of so many items differ by up to" in said[1]
    assert said[-1].startswith("1 random draw gave")
    assert findings.more_seeds(table, "exact_match") == 4
    assert findings.sentences(made, table[table["arm"] == "full"], "loss") == []


def test_more_seeds_are_those_that_show_the_margin():
    def table(random):
        lines = [("s2l", n, v) for n, v in enumerate([1.0, 1.1, 1.05])]
        lines += [("random", n, v) for n, v in enumerate(random)]
        return pd.DataFrame(lines, columns=["arm", "seed", "loss"]).assign(rows=5)

    assert findings.more_seeds(table([1.02, 1.04, 1.09]), "loss") > 0
    assert findings.more_seeds(table([2.0, 2.1, 2.07]), "loss") == 0, "it is settled"
    assert findings.more_seeds(table([1.0, 1.1, 1.05]), "loss") == 0, "no seeds would show more"
    assert findings.more_seeds(table([1.0, math.nan, 1.05]), "loss") == 0, "a run failed"


def test_arms_that_were_tested_on_other_items_are_said():
    table = pd.DataFrame({"arm": ["a", "b"], "decoded": [300, 306], "failed": ["", ""]})
    assert "not tested on the same items: 300, 306 were answered" in findings.different_items(table)
    failed = table.assign(decoded=[0, 306], failed=["out of memory", ""])
    assert findings.different_items(failed) == ""


def test_all_of_a_study_is_plain_data_without_texts(made, finished):
    text = findings.as_json(made)
    data = json.loads(text)
    assert data["study"] == finished.study
    assert [run["arm"] for run in data["runs"]] == ["s2l", "random", "full"]
    assert data["measures"]["loss"]["planned"][0]["p"] is None, "one seed gives none"
    assert {c["arm"] for c in data["costs"]} == {"s2l", "random", "full"}
    examples = pd.read_parquet(
        finished.workspace.open(finished.dataset).path / "examples.parquet", columns=["prompt"]
    )
    assert not any(prompt in text for prompt in examples["prompt"])


def test_what_each_arm_took(made):
    table = costs.by_arm(made).set_index("arm")
    assert table.loc["s2l", "proxy"] > 0
    assert table.loc[["random", "full"], "proxy"].tolist() == [0, 0]
    assert (table["training"] > 0).all()
    said = costs.sentence(table.reset_index(), epochs=0)
    assert "Equal steps: all arms train as long" in said
    assert "pays for it" in costs.sentence(table.reset_index(), epochs=3)
    unknown = costs.sentence(table.assign(proxy=[np.nan, 0, 0]).reset_index(), epochs=0)
    assert "What the proxy took is not known here" in unknown
    none = costs.sentence(table.loc[["random", "full"]].reset_index(), epochs=0)
    assert "No arm here needs a proxy" in none


def test_the_noise_of_an_evaluation_is_that_of_other_batches(made, monkeypatch):
    run = made.open(kept.table(made)["finetune"][0])
    seen = {}

    def again(workspace, made, test, split, more, **how):
        seen.update(how)
        return {**run.summary, "exact_match": run.summary["exact_match"] + 0.125, "loss": math.nan}

    monkeypatch.setattr(noise.retest, "again", again)
    found, others = noise.floor(None, run, plan.Tests(None, "holdout"))
    assert seen == {"batch": noise.BATCH}
    assert others == {}
    assert found["exact_match"] == 0.125
    assert found["balanced_loss"] == 0
    assert "loss" not in found


def test_a_loss_is_said_as_a_probability_too(made):
    table = kept.table(made)
    said = findings.in_probabilities(table, "loss", 2.0)
    mean = table.loc[table["arm"] == "s2l", "loss"].mean()
    assert f"S2L {100 * np.exp(-mean):.0f}%" in said
    assert said.endswith("before training 14%.")
    assert findings.in_probabilities(table, "exact_match", 0.5) == ""
    assert "before training" not in findings.in_probabilities(table, "loss", None)
