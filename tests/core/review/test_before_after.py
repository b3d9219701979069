import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import dataset
from core.review import facets
from core.review.before_after import compare
from core.review.facets import load, positions
from core.trajectories.artifact import load_losses
from core.workspace.store import Workspace

N = 400


def frame(n=N, seed=0):
    rng = np.random.default_rng(seed)
    final = rng.gamma(2.0, 1.0, n)
    out = pd.DataFrame(
        {
            "row": rng.permutation(n) + 5,
            "id": [f"{i:07d}" for i in range(n)],
            "source": rng.choice(["a", "b", "c"], n, p=[0.7, 0.2, 0.1]),
            "cluster": rng.integers(0, 7, n),
            "prompt": rng.integers(5, 90, n),
            "response": rng.integers(1, 9, n),
            "first_loss": final + rng.random(n),
            "final_loss": final,
            "text": np.arange(n),
        }
    )
    out["drop"] = out["first_loss"] - out["final_loss"]
    return out


def test_the_whole_pool_is_no_further_than_any_draw():
    pool = frame()
    found = compare(pool, pool["row"])
    assert (found.facets["distance"] == 0).all()
    assert not found.facets["further"].any()
    assert "in no facet" in found.sentence()
    assert np.allclose(found.shares["pool"], found.shares["selected"])


def test_a_selection_by_one_facet_is_marked_there_and_not_where_it_is_like_chance():
    pool = frame()
    hardest = pool.nlargest(80, "final_loss")
    found = compare(pool, hardest["row"])
    lines = found.facets.set_index("facet")
    assert lines.loc["final_loss", "further"]
    assert lines.loc["final_loss", "distance"] == pytest.approx(0.8)
    assert not lines.loc["source", "further"]
    assert found.facets["facet"].iloc[0] == "final_loss"
    top = found.shares[found.shares["facet"] == "final_loss"]
    assert top["selected"].tolist() == pytest.approx([0] * 8 + [0.5, 0.5])
    assert lines.loc["final_loss", "selected_mean"] > lines.loc["final_loss", "pool_mean"]


@settings(max_examples=10, deadline=None)
@given(st.integers(1, N), st.integers(0, 99))
def test_shares_add_up_bands_hold_their_median_and_random_draws_are_rarely_marked(n, seed):
    pool = frame()
    rows = np.random.default_rng(1000 + seed).permutation(pool["row"])[:n]
    found = compare(pool, rows, seed=seed)
    for column in ("pool", "selected"):
        assert found.shares.groupby("facet")[column].sum().to_numpy() == pytest.approx(1)
    for table in (found.shares, found.facets):
        assert (table["low"] <= table["median"]).all()
        assert (table["median"] <= table["high"]).all()


def test_a_random_selection_is_marked_about_once_in_21_facets():
    pool = frame()
    marks = [
        compare(pool, np.random.default_rng(9000 + s).permutation(pool["row"])[:60], seed=s)
        for s in range(40)
    ]
    share = np.mean([m.facets["further"].mean() for m in marks])
    assert 0.005 < share < 0.13  # 1 / 21 = 0.048


def test_the_order_of_the_dataset_does_not_matter():
    pool = frame()
    rows = pool["row"].to_numpy()[:50]
    renamed = pool.assign(row=pool["row"].max() - pool["row"])
    one, two = compare(pool, rows), compare(renamed, renamed["row"].to_numpy()[:50])
    pd.testing.assert_frame_equal(one.facets, two.facets)
    pd.testing.assert_frame_equal(one.shares, two.shares)


def test_repeats_are_counted_inside_each_set():
    pool = frame(10).assign(text=[0, 0, 0, 1, 1, 2, 3, 4, 5, 6])
    found = compare(pool, pool["row"].iloc[[0, 1, 2, 5]])
    assert (found.repeats.pool, found.repeats.selected) == (3, 2)
    assert 0 <= found.repeats.low <= found.repeats.median <= found.repeats.high <= 2


def test_a_facet_that_cannot_differ_is_left_out():
    found = compare(frame().assign(source="one"), [5, 6, 7])
    assert "source" not in set(found.facets["facet"])


def test_rows_outside_the_pool_and_empty_selections_are_refused():
    with pytest.raises(ValueError, match="1 of 2 selected rows are not in the pool"):
        compare(frame(), [5, 10_000])
    with pytest.raises(ValueError, match="has no row"):
        compare(frame(), [])
    with pytest.raises(ValueError, match="0 random draws"):
        compare(frame(), [5], draws=0)


def test_every_facet_of_a_saved_selection_is_compared(finished):
    artifact = finished.workspace.open(finished.selection)
    pool = load(artifact)
    table = pd.read_parquet(artifact.path / "table.parquet")
    assert len(pool) == artifact.summary["pool"]
    assert pool["id"].is_monotonic_increasing
    chosen = pool.iloc[positions(pool, table["row"])]
    assert chosen["id"].tolist() == table["id"].tolist()
    assert chosen["cluster"].tolist() == table["cluster"].tolist()
    assert chosen["response"].sum() == artifact.summary["response_tokens"]
    found = compare(pool, table["row"])
    losses = load_losses(finished.workspace.open(finished.trajectories))
    assert pool["difficulty"].to_numpy() == pytest.approx(losses[pool["row"], 1:].mean(1))
    assert set(found.facets["facet"]) == set(facets.FACETS) - {"copies"}, "no two rows are equal"
    assert found.repeats.pool == 0


def test_the_inputs_own_categories_are_facets_and_the_source_is_not_there_twice(tmp_path):
    workspace = Workspace(tmp_path / "ws")
    lines = [
        {
            "source": "ab"[i % 2],
            "topic": ["algebra", "sets", None][i % 3],
            "level": "one",
            "instruction": f"What is {i} and {i}?",
            "output": f"{2 * i}",
        }
        for i in range(60)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    data = workspace.open(dataset.run(workspace, dataset.Settings(path=str(path), holdout="0")))
    pool = load(data)
    assert [f.label for f in facets.of(pool).values()][:2] == ["sources", "topic"]
    assert not any("level" in name or "source" in name.partition(":")[2] for name in pool)
    by_row = pool.set_index("row")["column:topic"]
    assert by_row[[0, 1, 2]].tolist() == ["algebra", "sets", "(none)"]
    algebra = pool.loc[pool["column:topic"] == "algebra", "row"]
    found = compare(pool, algebra).facets.set_index("label")
    assert found.loc["topic", "distance"] == pytest.approx(2 / 3)
    assert found.loc["topic", "further"]
