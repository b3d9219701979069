"""What a study will do."""

import dataclasses

from core import study
from core.study.plan import with_sources_only


def test_arms_over_sources_are_left_out_where_the_data_names_none(finished):
    wanted = study.Settings(clusters=finished.clusters)
    dataset = finished.workspace.open(finished.dataset)
    assert with_sources_only(wanted, dataset) == (wanted, [])
    bare = dataclasses.replace(
        dataset, manifest={**dataset.manifest, "summary": {"sources": {"all": 160}}}
    )
    left, out = with_sources_only(wanted, bare)
    assert (left.strategies, out) == ("s2l,random,full", ["random_per_source"])
