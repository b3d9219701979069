import dataclasses

import numpy as np
import pandas as pd
import pytest

from core import study
from core.study.run import _with_sources_only

pytestmark = pytest.mark.usefixtures("quick")


def compare(finished, **more):
    settings = {
        "strategies": "s2l,random,full",
        "budget": "25%",
        "seeds": "0",
        "model": "scratch:tiny",
    }
    settings |= {"steps": 2, "decode": 4, "clusters": finished.clusters, **more}
    return finished.workspace.open(study.run(finished.workspace, study.Settings(**settings)))


def test_a_study_compares_arms_with_equal_steps_and_reuses_finetunes(finished, capsys):
    first = compare(finished)
    table = pd.read_parquet(first.path / "table.parquet")
    assert table["arm"].tolist() == ["s2l", "random", "full"]
    assert set(table["steps"]) == {2}
    assert (table["rows"] + table["left_out"]).tolist() == [34, 34, 139]
    assert table["left_out"].tolist() == [0, 0, 0], "rows this short are never cut"
    assert first.summary["means"].keys() == {"s2l", "random", "full"}
    assert np.isfinite(first.summary["base"]["balanced_loss"])
    assert set(first.parents.values()) == {finished.clusters, *table["finetune"]}
    said = capsys.readouterr().err
    assert "untuned base" in said
    assert "of 4" in said
    count = (
        len(finished.workspace.entries("finetune")),
        len(finished.workspace.entries("selection")),
    )
    second = compare(finished)
    assert (
        len(finished.workspace.entries("finetune")),
        len(finished.workspace.entries("selection")),
    ) == count
    assert set(second.parents.values()) == set(first.parents.values())
    pd.testing.assert_frame_equal(table, pd.read_parquet(second.path / "table.parquet"))
    with pytest.raises(ValueError, match="is needed by study"):
        finished.workspace.delete(table["finetune"][0])


def test_an_arm_of_matched_tokens_is_as_large_as_the_first_arm(finished):
    made = compare(finished, strategies="s2l,random_token_matched")
    arms = [
        finished.workspace.open(made.parents[f"{a} 0"]) for a in ("s2l", "random_token_matched")
    ]
    first, matched = (finished.workspace.open(arm.parents["selection"]) for arm in arms)
    assert matched.parents["matches"] == first.id
    assert matched.summary["response_tokens"] >= first.summary["response_tokens"]


def test_arms_over_sources_are_left_out_where_the_data_names_none(finished, capsys):
    wanted = study.Settings(clusters=finished.clusters)
    dataset = finished.workspace.open(finished.dataset)
    assert _with_sources_only(wanted, dataset) == wanted
    bare = dataclasses.replace(
        dataset, manifest={**dataset.manifest, "summary": {"sources": {"all": 160}}}
    )
    left = _with_sources_only(wanted, bare)
    assert left.strategies == "s2l,random,full"
    assert "these arms are left out: random_per_source" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"strategies": "s2l,best"}, "--strategies has 'best'; there are s2l"),
        ({"strategies": " , "}, "--strategies names no arm"),
        ({"seeds": "a"}, "--seeds takes whole numbers"),
        ({"seeds": "99999999999"}, "--seeds takes whole numbers"),
        ({"budget": "120%"}, "above 100%"),
        ({"strategies": "s2l,random_cost_matched"}, "compares at equal epochs"),
        ({"strategies": "full,random_token_matched"}, "must be a selection by budget, not full"),
    ],
)
def test_a_study_that_cannot_be_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        study.Settings(clusters="x", **wrong)
