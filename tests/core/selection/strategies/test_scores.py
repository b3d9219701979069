"""What takes the rows of the highest or lowest score."""

import dataclasses

import numpy as np

from tests.core.pools import ids, make_pool, pick


def test_what_the_trajectory_scores_take():
    pool = make_pool()
    losses = np.array(pool.losses)
    losses[[5, 50]] = [[3, 1, 2, 3], [3, 1, 2, 1]]  # forgotten twice, once
    moved = dataclasses.replace(pool, losses=losses)
    assert ids(moved, "forgetting", "3") == ["0005", "0050", "0000"]
    assert pick(moved, "forgetting", "1").reasons == ["times forgotten 2, number 1 from the top"]
    spread = np.exp(-pool.losses[:, 1:]).std(1)
    assert (
        pick(pool, "cartography_ambiguous", "9").positions.tolist()
        == np.argsort(-spread, kind="stable")[:9].tolist()
    )
