import pytest

from core.clusters.artifact import ClustersSummary
from core.report import project as projects
from core.trajectories.artifact import TrajectoriesSummary


@pytest.mark.parametrize("last", ["dataset", "trajectories", "clusters", "selection"])
def test_rows_to_choose_from_are_those_that_could_be_chosen(finished, last):
    """Not those of the whole pool, where the proxy could not read some or read a sample."""
    made = finished.workspace.open(getattr(finished, last))
    project = projects.of(made)
    pool = project.dataset.summary["pool_rows"]
    counted = int(projects.choosable(project).value)
    assert counted == (pool if last == "dataset" else pool - 1)  # one has no response token
    if last == "clusters":
        assert counted == made.summary_as(ClustersSummary)["clustered"]
    if last == "trajectories":
        assert counted == made.summary_as(TrajectoriesSummary)["measured"]


def test_the_sentence_counts_what_was_chosen_by_what_there_was_to_choose_from(finished):
    project = projects.of(finished.workspace.open(finished.selection))
    said = projects.as_text(projects.verdict(project))
    chosen, pool = project.selection.summary["rows"], project.dataset.summary["pool_rows"]
    assert said == (
        f"{chosen} of {pool - 1} examples (of {pool}) are selected; nothing is trained."
    )
