import dataclasses

import numpy as np
import pytest

from benchmarks import planted_skills
from benchmarks.planted_skills import Plan
from core.workspace.store import Workspace

SMALL = Plan(skills=30, common=6, originals=4, copies=40)
"""1,152 rows, 192 of them of rare skills."""


@pytest.mark.usefixtures("quick")
def test_s2l_covers_more_planted_skills_than_any_of_20_random_draws(tmp_path):
    planted = planted_skills.plant(SMALL, 0)
    workspace = Workspace(tmp_path)
    recorded = planted_skills.record(workspace, planted, epochs=3.0)
    pool = planted_skills.cluster(workspace, recorded)
    mixed = np.random.default_rng(0).permutation(pool.labels)
    shuffled = dataclasses.replace(pool, labels=mixed)

    def covered(pool, strategy, draws):
        rows = planted_skills.draw(pool, planted, strategy, "11%", range(draws))
        return [r.covered for r in rows]

    random = covered(pool, "random", 20)
    assert np.mean(covered(pool, "s2l", 5)) > max(random)
    assert np.mean(covered(shuffled, "s2l", 5)) <= max(random)


def test_a_planted_pool_is_what_the_design_says():
    planted = planted_skills.plant(SMALL, 0)
    assert planted == planted_skills.plant(SMALL, 0)
    counts = {s: list(planted.skill.values()).count(s) for s in planted.skill.values()}
    assert {counts[s] for s in planted.common} == {160}
    assert sorted(counts.values()) == [8] * 24 + [160] * 6
    assert len({row["question"] for row in planted.rows}) == 1152
    assert set(planted.rows[0]) == {"id", "question", "answer"}
