"""Filters before a strategy, and the baselines that are as large as another selection."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from core import edits, selection
from core.selection.filters import Filters, leave_out


def texts(tmp_path, rows):
    frame = pd.DataFrame(rows, columns=["prompt", "response"])
    frame.insert(0, "row", np.arange(len(frame)))
    roles = ("user", "assistant")
    frame["messages"] = [
        [{"role": role, "content": text} for role, text in zip(roles, row, strict=True)]
        for row in rows
    ]
    frame.to_parquet(tmp_path / "examples.parquet")
    return tmp_path / "examples.parquet"


def out(filters, examples, n, ids=None, tokens=(), protected=(), usable=None):
    found = leave_out(
        filters,
        np.ones(n, bool) if usable is None else np.array(usable),
        np.array(ids or [f"{i:03d}" for i in range(n)], object),
        np.array(tokens, np.int64),
        examples,
        np.array(protected, np.int64),
    )
    return {reason: rows.tolist() for reason, rows in found.items()}


def test_of_copies_the_first_by_id_stays_or_the_protected_one(tmp_path):
    examples = texts(tmp_path, [("a", "1"), ("b", "1"), ("a", "1"), ("a", "1"), ("a", "2")])
    exact = Filters(dedup="exact")
    assert out(exact, examples, 5) == {"exact duplicate": [2, 3]}
    assert out(exact, examples, 5, ids=["d", "e", "c", "b", "a"]) == {"exact duplicate": [0, 2]}
    assert out(exact, examples, 5, protected=[2]) == {"exact duplicate": [0, 3]}
    assert out(exact, examples, 5, protected=[2, 3]) == {"exact duplicate": [0]}
    usable = [False, True, True, True, True]
    assert out(exact, examples, 5, usable=usable) == {"exact duplicate": [3]}
    assert out(Filters(), examples, 5) == {}


def test_near_copies_are_those_that_share_most_words(tmp_path):
    words = np.random.default_rng(0).permutation(5000).astype(str)
    rows = [(" ".join(words[60 * i : 60 * i + 60]), "yes") for i in range(40)]
    rows += [(rows[7][0] + " and more", "yes"), (rows[9][0].replace(" ", "  "), "yes"), rows[11]]
    rows += [(" ".join([*rows[3][0].split()[:30], *words[4000:4030]]), "yes")]  # half is another's
    examples = texts(tmp_path, rows)
    near = Filters(dedup="near")
    assert out(near, examples, 44) == {"exact duplicate": [42], "near duplicate": [40, 41]}
    assert out(near, examples, 44, protected=[41]) == {
        "exact duplicate": [42],
        "near duplicate": [9, 40],
    }
    back = [f"{99 - i:02d}" for i in range(44)]
    assert out(near, examples, 44, ids=back) == {"exact duplicate": [11], "near duplicate": [7, 9]}


def test_lengths_go_before_copies_and_spare_what_is_protected(tmp_path):
    examples = texts(tmp_path, [("a", "1"), ("a", "1"), ("b", "1"), ("c", "1")])
    both = Filters(dedup="exact", min_tokens=3, max_tokens=9)
    found = out(both, examples, 4, tokens=[2, 5, 99, 1], protected=[3])
    assert found == {"too short": [0], "too long": [2]}, "the copy of what is out may stay"
    with pytest.raises(ValueError, match="need trajectories"):
        out(both, examples, 4)
    with pytest.raises(ValueError, match="--max-tokens 3 is below --min-tokens 9"):
        Filters(min_tokens=9, max_tokens=3)


def draw(copied, **how):
    wanted = {"parent": copied.clusters, "budget": "25%", **how}
    return copied.workspace.open(selection.run(copied.workspace, selection.Settings(**wanted)))


def rows(made):
    return pd.read_parquet(made.path / "table.parquet")["row"].tolist()


def test_a_selection_says_how_many_rows_were_taken_out_and_why(copied, capsys):
    flags = pd.read_parquet(copied.workspace.open(copied.trajectories).path / "flags.parquet")
    full = rows(draw(copied, strategy="full"))
    lengths = flags["n_response"].to_numpy()[full]
    low, high = int(np.quantile(lengths, 0.2)) + 1, int(np.quantile(lengths, 0.9))
    pinned = full[int(lengths.argmin())]
    edits.pin(copied.workspace, copied.dataset, [pinned])
    made = draw(copied, strategy="full", min_tokens=low, max_tokens=high)
    short, long = int((lengths < low).sum()) - 1, int((lengths > high).sum())
    assert made.summary["filtered"] == {"too short": short, "too long": long}
    assert made.summary["pool"] == len(full) - short - long
    assert pinned in rows(made)
    assert made.name.endswith(f"full from {low} tokens to {high} tokens")
    assert f"{short} rows taken out: too short" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"no row can be selected: .* filtered"):
        draw(copied, strategy="random", min_tokens=10**6, edits=0)


def test_names_and_fingerprints_tell_what_differs_from_the_paper(copied):
    plain = copied.workspace.open(copied.selection)
    assert plain.name.endswith("s2l 25%")
    manual = draw(copied, allocation="sqrt", pick="medoid", noise_guard=True, quotas="5=3")
    assert manual.name.endswith("s2l 25% sqrt medoid noise guard quotas 5=3")
    assert manual.config["quotas"] == "5=3"
    assert draw(copied, allocation="capped", cap=0.9, small_sources=5).name.endswith(
        "s2l 25% capped 0.9 sources below 5 whole"
    )
    prints = {plain.manifest["fingerprint"], manual.manifest["fingerprint"]}
    for how in ({"pick": "spread"}, {"dedup": "exact"}, {"quotas": "5=4"}, {"small_sources": 3}):
        prints.add(draw(copied, **how).manifest["fingerprint"])
    assert len(prints) == 6
    again = selection.Settings(parent=copied.clusters, budget="25%", allocation="equal")
    assert selection.key(copied.workspace, again) == plain.manifest["fingerprint"]


def test_a_random_selection_of_as_many_tokens(copied):
    made = draw(copied, strategy="random_token_matched", match=copied.selection)
    wanted = copied.workspace.open(copied.selection).summary["response_tokens"]
    flags = pd.read_parquet(copied.workspace.open(copied.trajectories).path / "flags.parquet")
    tokens = flags["n_response"].to_numpy()[rows(made)].cumsum()
    assert tokens[-2] < wanted <= tokens[-1]
    assert made.parents == {"clusters": copied.clusters, "matches": copied.selection}
    with pytest.raises(ValueError, match="needs the selection that it is as large as: --match ID"):
        draw(copied, strategy="random_token_matched")
    with pytest.raises(ValueError, match="random takes no --match"):
        draw(copied, strategy="random", match=copied.selection)


def test_a_random_selection_for_the_cost_of_the_proxy(copied):
    old = copied.workspace.open(copied.selection)
    how = {"strategy": "random_cost_matched", "match": copied.selection}
    with pytest.raises(ValueError, match="needs the target's size: --target-parameters"):
        draw(copied, **how)
    big = draw(copied, **how, target_parameters=1e12)
    assert len(rows(big)) == old.summary["rows"], "beside a large target a proxy costs nothing"
    with pytest.raises(ValueError, match="training on all of them costs less"):
        draw(copied, **how, target_parameters=1e3)


def test_rows_kept_from_an_earlier_selection_are_not_filtered(copied):
    earlier = rows(copied.workspace.open(copied.selection))
    made = draw(copied, budget="100%", keep=copied.selection, min_tokens=10**6)
    assert rows(made) == earlier


def test_likeness_by_trajectories_and_by_embeddings_differ(copied):
    a = draw(copied, strategy="k_center")
    b = draw(copied, strategy="k_center", space="trajectories")
    assert set(rows(a)) != set(rows(b))
    assert b.name.endswith("k_center 25% by trajectories")
    assert dataclasses.asdict(selection.Settings(**b.config))["space"] == "trajectories"
