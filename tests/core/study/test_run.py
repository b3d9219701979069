import errno
import gc
import math
import types
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from core import clusters, study
from core.errors import InputError
from core.jobs.progress import Stopped
from core.settings import from_config
from core.study import artifact as kept
from core.study import findings, items, leakage, plan
from core.workspace.draft import InUse
from core.workspace.files import read_jsonl
from tests.conftest import write

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


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"strategies": "s2l,best"}, "--strategies has 'best'; there are s2l"),
        ({"strategies": " , "}, "--strategies names no arm"),
        ({"seeds": "a"}, "--seeds takes whole numbers"),
        ({"seeds": "99999999999"}, "--seeds takes whole numbers"),
        ({"budget": "120%"}, "above 100%"),
        ({"strategies": "full,random_token_matched"}, "must be a selection by budget, not full"),
    ],
)
def test_a_study_that_cannot_be_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        study.Settings(clusters="x", **wrong)


def made(workspace):
    return workspace.entries("dataset", "finetune", "selection", "study")


def test_a_model_that_cannot_be_leaves_nothing_behind(copied, tmp_path):
    before = made(copied.workspace)
    bad = {
        "nowhere": {"model": str(tmp_path)},
        "no response": {"max_length": 8},
        "no test": {"eval": str(write(tmp_path / "questions.jsonl", [{"question": "a"}] * 3))},
    }
    for case, how in bad.items():
        with pytest.raises(InputError):
            compare(copied, seeds="7", **how)
        assert made(copied.workspace) == before, case


def test_a_model_that_gives_no_numbers_is_named_before_anything_is_made(copied, monkeypatch):
    before = made(copied.workspace)
    scoring = import_module("core.model.scoring")
    real = scoring.score

    def broken(*args, **kwargs):
        found = real(*args, **kwargs)
        return found._replace(losses=found.losses * np.nan)

    monkeypatch.setattr(scoring, "score", broken)
    with pytest.raises(InputError, match="gives no finite loss on the first row"):
        compare(copied, seeds="7")
    assert made(copied.workspace) == before


def test_a_draw_that_cannot_be_leaves_no_selection_behind(copied):
    before = made(copied.workspace)
    with pytest.raises(InputError, match="more than the"):
        compare(copied, seeds="7", budgets="10%,100000")
    assert made(copied.workspace) == before


def failing(monkeypatch, wrong):
    """Make the fine-tunes of some selections fail, as `wrong` says of their settings."""
    run = import_module("core.finetune.run")
    real = run.make

    def make(workspace, settings, selection, *args):
        if error := wrong(selection.config, settings):
            raise error
        return real(workspace, settings, selection, *args)

    monkeypatch.setattr(run, "make", make)


def test_a_failed_arm_does_not_lose_the_others(copied, monkeypatch, capsys):
    def wrong(how, settings):
        if how["strategy"] == "random" and settings.seed == 1:
            return InputError("loss became nan at step 1")
        return RuntimeError("a bug") if how["strategy"] == "full" else None

    with monkeypatch.context() as patch:
        failing(patch, wrong)
        found = compare(copied, seeds="0,1", decode=0)
    assert found.summary["failed"] == [
        "full seed 0: RuntimeError: a bug",
        "random seed 1: loss became nan at step 1",
        "full seed 1: RuntimeError: a bug",
    ]
    table = kept.table(found)
    assert table["arm"].tolist() == ["s2l", "random", "full"] * 2
    assert table["loss"].isna().tolist() == [False, False, True, False, True, True]
    assert table["rows"].dtype.kind == table["steps"].dtype.kind == "i"
    assert set(found.summary["means"]["random"]) == {"loss", "balanced_loss"}
    assert found.summary["means"]["full"] == {}
    said = capsys.readouterr().err
    assert "random, seed 1, 25% failed, the others go on: loss became nan" in said
    assert "Traceback" in said, "what is no user's error keeps it"
    assert "Nothing can be said of S2L and random: random seed 1 gave no number" in said
    again = compare(copied, seeds="0,1", decode=0)
    assert again.summary["failed"] == []
    assert set(found.parents.values()) < set(again.parents.values()), "the others were reused"


def test_where_all_fail_nothing_is_sealed(copied, monkeypatch):
    failing(monkeypatch, lambda how, settings: InputError("too large"))
    with pytest.raises(InputError, match="all 3 fine-tunes failed: too large"):
        compare(copied, seeds="7")
    assert copied.study == copied.workspace.entries("study")[0].id


def test_a_study_ends_at_a_full_disk_without_a_traceback(copied, monkeypatch, capsys):
    failing(monkeypatch, lambda how, settings: OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OSError, match="No space left"):
        compare(copied, seeds="7")
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "the others go on" not in said


def test_a_stopped_study_can_be_read_and_goes_on(copied, monkeypatch):
    run = import_module("core.study.run")
    looks = iter([False, True])
    with monkeypatch.context() as patch:
        patch.setattr(run, "stop_requested", lambda: next(looks))
        with pytest.raises(Stopped):
            compare(copied, seeds="7", decode=0)
    gc.collect()  # the stopped run's hold on its draft lives as long as its frames
    half = kept.partial(copied.workspace, copied.clusters)
    assert (half.lines["arm"].tolist(), half.planned) == (["s2l"], 3)
    assert np.isfinite(half.base["loss"])
    done = len(copied.workspace.entries("finetune"))
    whole = compare(copied, seeds="7", decode=0)
    assert len(copied.workspace.entries("finetune")) == done + 2
    assert half.lines["finetune"][0] in whole.parents.values()
    assert kept.partial(copied.workspace, copied.clusters) is None
    assert {p.name for p in whole.path.iterdir()} == {
        "manifest.json",
        "table.parquet",
        "base.parquet",
        "base",
    }


def test_a_run_that_another_process_trains_is_waited_for(copied, monkeypatch):
    run = import_module("core.study.run")
    tried, slept = [], []

    def wrong(how, settings):
        tried.append(how["strategy"])
        first = how["strategy"] == "s2l" and tried.count("s2l") <= 2
        return InUse("it is being worked on") if first else None

    failing(monkeypatch, wrong)
    monkeypatch.setattr(run, "time", types.SimpleNamespace(sleep=slept.append))
    found = compare(copied, seeds="7", decode=0)
    assert tried == ["s2l", "random", "full", "s2l", "s2l"], "the others first"
    assert slept == [run.WAIT]
    assert kept.table(found)["arm"].tolist() == ["s2l", "random", "full"]


def test_equal_epochs_charge_the_proxy(copied):
    how = {"equal": "epochs", "epochs": 8, "strategies": "s2l,random_cost_matched"}
    found = compare(copied, decode=0, batch_size=64, **how)
    table = kept.table(found).set_index("arm")
    assert table["steps"].to_dict() == {
        arm: 8 * math.ceil(rows / 64) for arm, rows in table["rows"].items()
    }
    assert (found.summary["epochs"], found.summary["steps"]) == (8, 0)
    matched = copied.workspace.open(table.loc["random_cost_matched", "finetune"])
    drawn = copied.workspace.open(matched.parents["selection"])
    assert drawn.config["target_parameters"] == matched.summary["parameters"]
    assert drawn.config["target_epochs"] == 8
    assert table.loc["random_cost_matched", "rows"] > table.loc["s2l", "rows"]
    with pytest.raises(InputError, match="the arms of this study have equal steps"):
        compare(copied, strategies="s2l,random_cost_matched")


def test_data_sizes_random_draws_and_what_varies(copied):
    other = clusters.Settings(trajectories=copied.trajectories, k=4, map=False)
    cut = clusters.run(copied.workspace, other)
    found = compare(
        copied,
        decode=0,
        seeds="0,1",
        budgets="10%,25%",
        random_draws=3,
        vary="draw",
        clusterings=f"{copied.clusters},{cut}",
    )
    lines = kept.all_lines(found)
    assert len(lines) == 11
    assert lines.groupby("budget")["arm"].apply(list).to_dict() == {
        "25%": ["s2l", "random", "full"] * 2 + ["random"],
        "10%": ["s2l", "random"] * 2,
    }
    assert lines.groupby("budget")["rows"].max().to_dict() == {"25%": 139, "10%": 13}
    assert kept.table(found)["seed"].tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert set(lines["train_seed"]) == {0}
    assert lines["draw_seed"].tolist() == lines["seed"].tolist()
    assert dict(zip(lines["seed"], lines["clusters"], strict=True)) == {
        0: copied.clusters,
        1: cut,
        2: copied.clusters,
    }
    assert found.summary["budgets"] == ["10%"]
    assert found.summary["varied"] == (
        "the draw varies, the training seed does not; the clustering varies (2 in turn), the proxy "
        "does not"
    )
    assert found.parents["clusters of seed 1"] == cut
    assert found.parents["s2l 0 at 10%"] in lines["finetune"].tolist()
    opened = plan.open_study(copied.workspace, from_config(study.Settings, found.config))
    planned = plan.runs(opened)
    done = plan.existing(copied.workspace, opened, planned, 2)
    assert done == lines["finetune"].tolist(), "all are found again without drawing"
    frame = plan.as_frame(planned, done)
    assert frame["exists"].all()
    assert frame["budget"].tolist() == [*["25%", "25%", "all"] * 2, "25%", *["10%"] * 4]


def test_tests_beside_the_first_have_their_own_scores(copied, tmp_path):
    asked = [
        {"question": f"Is {n} larger than 5?", "answer": "yes" if n > 5 else "no"} for n in range(9)
    ]
    examples = pd.read_parquet(
        copied.workspace.open(copied.dataset).path / "examples.parquet"
    ).set_index("row")
    pool = examples[examples["split"] == "pool"].iloc[:2]
    asked += [
        {"question": q, "answer": a} for q, a in zip(pool["prompt"], pool["response"], strict=True)
    ]
    file = write(tmp_path / "larger.jsonl", asked)
    found = compare(copied, tests=str(file), strategies="s2l,random")
    ((key, base),) = found.summary["tests"].items()
    assert (base["items"], base["clean_items"]) == (11, 9)
    first, other = kept.table(found), kept.table(found, key)
    assert other["arm"].tolist() == first["arm"].tolist() == ["s2l", "random"]
    assert set(other["items"]) == {11} != set(first["items"])
    untuned, *tuned = leakage.beside(other, base, "loss").to_dict("records")
    assert untuned["arm"] == "untuned base"
    assert {line["items"] for line in (untuned, *tuned)} == {11}
    assert {line["left"] for line in (untuned, *tuned)} == {9}
    said = items.of_base(found, key)
    assert untuned["without"] == pytest.approx(said.loc[~said["overlap"], "loss"].mean())
    assert leakage.beside(first, found.summary["base"], "loss").empty, "nothing there overlaps"
    assert leakage.without(first) is None
    alike = leakage.alike(found, key)
    assert [(p["row"], p["how"]) for p in read_jsonl(alike.file)] == [
        (row, "copies") for row in pool.index
    ], "rows of the pool, though no arm had them all"
    assert leakage.alike(found) is None
    assert leakage.counts(found, key)["copies"] == 2
    assert leakage.counts(found)["given_away"] == 0
    assert set(found.summary["noise_of_tests"][key]) >= {"loss", "exact_match"}
    assert findings.noise_of(found, key, "loss") == 0, "no such test"
    told = findings.as_data(found)["tests"][key]["loss"]["without_overlap"]
    assert told["scores"][0]["without"] == untuned["without"]
    assert told["sentences"][0].startswith("S2L is ")
    assert other["rows"].tolist() == first["rows"].tolist()
    runs = items.by_run(found, key)
    assert {len(one) for one in runs.values()} == {11}
    assert runs["s2l", 0]["loss"].mean() == pytest.approx(other["loss"][0])
    said = findings.as_data(found)["tests"][key]
    assert said["loss"]["sentences"][0].startswith("S2L is ")
    assert said["loss"]["sentences"] != findings.as_data(found)["measures"]["loss"]["sentences"]
