"""What takes the rows of the highest or lowest score."""

import dataclasses

import numpy as np

from tests.core.pools import ids, make_pool, pick


def test_what_the_trajectory_scores_take():
    pool = make_pool()
    losses = np.array(pool.losses)
    losses[[5, 50]] = [[3, 1, 2, 3], [3, 1, 2, 1]]  # forgotten twice, once
    moved = dataclasses.replace(pool, losses=losses)
    assert ids(moved, "forgetting", "2") == ["0005", "0050"]
    before = dataclasses.replace(moved, forgetting_rule=1)
    assert ids(before, "forgetting", "3") == ["0005", "0050", "0000"]
    assert pick(before, "forgetting", "1").reasons == ["times forgotten 2, number 1 from the top"]
    spread = np.exp(-pool.losses[:, 1:]).std(1)
    assert (
        pick(pool, "cartography_ambiguous", "9").positions.tolist()
        == np.argsort(-spread, kind="stable")[:9].tolist()
    )


def test_rows_forgotten_equally_often_are_told_apart_by_their_rises_then_drawn():
    pool = make_pool()
    losses = np.array(pool.losses)
    losses[[5, 50, 7]] = [[3, 1, 2, 1], [3, 1, 2.5, 1], [3, 1, 2, 3]]
    moved = dataclasses.replace(pool, losses=losses)
    made = pick(moved, "forgetting", "10")
    assert pool.ids[made.positions[:3]].tolist() == ["0007", "0050", "0005"]
    assert made.reasons[1] == "times forgotten 1, by 1.500 in sum, number 2 from the top"
    assert all(text.endswith("drawn among 87 equal") for text in made.reasons[3:])
    firsts = [pick(moved, "forgetting", "4", seed).positions[3] for seed in range(40)]
    assert len(set(firsts)) > 20, "not by id"
    assert "drawn" not in pick(moved, "forgetting", "3").reasons[2]
