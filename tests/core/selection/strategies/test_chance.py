"""Baselines that are drawn by chance."""

import pytest

from core.selection.strategies.catalog import having
from tests.core.pools import make_pool, pick


def test_a_baseline_without_its_match_is_refused():
    for name in having(size="matched"):
        with pytest.raises(ValueError, match=rf"{name} needs the selection .* --match"):
            pick(make_pool(match=None), name, "9")
    too_much = make_pool(match=make_pool().match._replace(rows=91))
    with pytest.raises(ValueError, match="worth 91 rows, more than the 90 eligible"):
        pick(too_much, "random_cost_matched", "9")
    with pytest.raises(ValueError, match="has 9,999 response tokens, the pool"):
        pick(make_pool(match=make_pool().match._replace(tokens=9999)), "random_token_matched", "9")
