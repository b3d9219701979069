import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import selection
from core.review import comparison
from core.review.facets import load

ROWS = st.sets(st.integers(0, 40), min_size=1).map(lambda s: np.array(sorted(s)))
SETS = st.lists(ROWS, min_size=2, max_size=5).map(lambda s: {f"s{i}": r for i, r in enumerate(s)})


def pool(n=60):
    return pd.DataFrame(
        {
            "row": np.arange(n),
            "id": [f"{i:03d}" for i in range(n)],
            "text": np.arange(n),
            "source": np.where(np.arange(n) < 20, "few", "many"),
            "cluster": np.arange(n) % 4,
            "response": np.arange(n) + 1,
            "prompt": 10,
        }
    )


@settings(deadline=None)
@given(SETS)
def test_jaccard_is_that_of_pythons_sets(sets):
    found = comparison.jaccard(sets)
    for a, one in sets.items():
        for b, two in sets.items():
            expected = len(set(one) & set(two)) / len(set(one) | set(two))
            assert found.loc[a, b] == pytest.approx(expected)


@settings(deadline=None)
@given(ROWS, ROWS, st.randoms())
def test_a_pair_is_split_without_loss_and_in_order_of_rank(a, b, random):
    a, b = list(a), list(b)
    random.shuffle(a)
    random.shuffle(b)
    found = comparison.pair(np.array(a), np.array(b))
    assert found.only_a.tolist() == [r for r in a if r not in b]
    assert found.only_b.tolist() == [r for r in b if r not in a]
    assert found.both.tolist() == [r for r in a if r in b]


def test_chance_overlap_is_what_random_draws_show():
    rng = np.random.default_rng(0)
    sets = {str(i): rng.permutation(2000)[:300] for i in range(12)}
    drawn = comparison.jaccard(sets).to_numpy()[np.triu_indices(12, 1)]
    assert comparison.by_chance(300, 300, 2000) == pytest.approx(drawn.mean(), rel=0.03)


@settings(deadline=None)
@given(SETS)
def test_allocations_add_up_and_equal_groups_are_left_out_and_counted(sets):
    found = comparison.allocation(pool(), sets, "cluster")
    assert len(found.table) + found.equal == 4
    assert found.table["difference"].is_monotonic_decreasing
    for id, rows in sets.items():
        left_out = len(rows) - found.table[id].sum()
        assert left_out >= 0
        if not found.equal:
            assert left_out == 0
        for line in found.table.to_dict("records"):
            assert line[id] == (rows % 4 == line["group"]).sum()


def test_differences_come_first_and_what_is_equal_is_counted():
    sets = {"a": np.arange(0, 20, 2), "b": np.arange(20, 40, 2)}
    found = comparison.facets(pool(), sets)
    assert found.table["facet"].tolist() == ["source", "response"]
    assert found.table["distance"].tolist() == pytest.approx([1, 1])
    assert found.equal == 2, "clusters 0 and 2 alternate in both, and all prompts are alike"
    line = found.table.set_index("facet").loc["response"]
    assert (line["a"], line["b"]) == (10, 30)
    taken = comparison.allocation(pool(), sets, "source").table
    assert taken[["group", "pool", "a", "b"]].to_numpy().tolist() == [
        ["few", 20, 10, 0],
        ["many", 40, 0, 10],
    ]


def test_totals_name_the_costs_that_differ():
    found = comparison.totals(pool(), {"a": np.arange(10), "b": np.arange(10) + 10})
    assert found.table["measure"].tolist() == ["response tokens"]
    assert found.table[["a", "b"]].to_numpy().tolist() == [[55, 155]]
    assert found.table["difference"].tolist() == pytest.approx([155 / 55 - 1])
    assert found.equal == 2


def test_settings_that_are_equal_are_counted():
    configs = {"a": {"strategy": "s2l", "seed": 0}, "b": {"strategy": "s2l", "seed": 1, "edits": 3}}
    found = comparison.settings(configs)
    assert found.table.to_dict("records") == [
        {"setting": "seed", "a": 0, "b": 1},
        {"setting": "edits", "a": "", "b": 3},
    ]
    assert found.equal == 1


def test_equal_selections_differ_in_nothing():
    rows = np.arange(7)
    sets = {"a": rows, "b": rows[::-1]}
    for found in (comparison.facets(pool(), sets), comparison.allocation(pool(), sets, "source")):
        assert found.table.empty
    assert comparison.sentence(rows, rows, 60).startswith("7 rows in both, 0 only in the first")


def test_a_facet_that_is_not_there_is_refused_by_name():
    sets = {"a": np.arange(3), "b": np.arange(4)}
    with pytest.raises(ValueError, match="'prompt' here; there are source, cluster"):
        comparison.allocation(pool(), sets, "prompt")
    with pytest.raises(ValueError, match="1 of 2 selected rows"):
        comparison.facets(pool(), sets | {"c": np.array([1, 99])})


def test_saved_selections_are_compared_by_id(finished):
    w = finished.workspace
    wanted = selection.Settings(parent=finished.clusters, strategy="random", budget="25%")
    other = selection.run(w, wanted)
    sets = comparison.read(w, [finished.selection, other])
    frame = load(w.open(finished.selection))
    assert list(sets) == [finished.selection, other]
    assert len(sets[other]) == w.open(other).summary["rows"]
    text = comparison.sentence(sets[finished.selection], sets[other], len(frame))
    assert f"{comparison.jaccard(sets).iloc[0, 1]:.2f}, where" in text
    tokens = comparison.totals(frame, sets).table.set_index("measure").loc["response tokens"]
    assert tokens[other] == w.open(other).summary["response_tokens"]
    configs = {id: w.open(id).config for id in sets}
    assert comparison.settings(configs).table["setting"].tolist() == ["strategy"]


def test_one_selection_and_two_datasets_are_refused(finished, tmp_path):
    from core import dataset

    w = finished.workspace
    with pytest.raises(ValueError, match="1 selection cannot be compared"):
        comparison.read(w, [finished.selection, finished.selection])
    file = tmp_path / "other.jsonl"
    file.write_text('{"question": "What is one?", "answer": "1"}\n' * 3)
    other = dataset.run(w, dataset.Settings(path=str(file), holdout="0"))
    drawn = selection.run(w, selection.Settings(parent=other, strategy="random", budget="2"))
    with pytest.raises(ValueError, match="several datasets"):
        comparison.read(w, [finished.selection, drawn])
