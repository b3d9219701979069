"""Next week's data, from the trajectories page to a selection that is topped up."""

import dataclasses
import shutil

import pandas as pd
import pytest

from core import clusters, dataset, jobs, selection, trajectories
from core.workspace.store import Workspace
from tests.conftest import Finished, rows, stop_all, write
from tests.pages.conftest import fine, flags, has_button, press, words

PROXY = {"model": "scratch:tiny", "epochs": 1.0, "batch_size": 32, "checkpoints": 3}


@dataclasses.dataclass
class Season:
    root: object
    old: str
    new: str
    clusters: str
    selection: str

    @property
    def workspace(self):
        return Workspace(self.root)


@pytest.fixture(scope="module")
def prepared(finished: Finished, tmp_path_factory):
    """A proxy whose checkpoints were kept, its clusters, a selection, and next week's file."""
    folder = tmp_path_factory.mktemp("season")
    workspace = finished.workspace
    settings = trajectories.Settings(
        dataset=finished.dataset, max_length=64, keep_checkpoints=True, map=False, **PROXY
    )
    old = trajectories.run(workspace, settings)
    groups = clusters.run(workspace, clusters.Settings(trajectories=old, k=5, map=False))
    chosen = selection.run(workspace, selection.Settings(parent=groups, budget="20", name="first"))
    more = [
        {"question": f"Sum of {i} and 5?", "answer": f"{i + 5}", "task": "add", "part": "train"}
        for i in range(2000, 2010)
    ]
    file = write(folder / "grown.jsonl", [*rows(), *more])
    wanted = dataset.Settings(path=str(file), split_column="part", name="next week")
    return Season(workspace.root, old, dataset.run(workspace, wanted), groups, chosen)


@pytest.fixture
def season(prepared, tmp_path):
    root = shutil.copytree(prepared.root, tmp_path / "workspace")
    yield dataclasses.replace(prepared, root=root)
    stop_all(Workspace(root))


def extend(season):
    settings = trajectories.Settings(dataset=season.new, extend=season.old)
    return trajectories.run(season.workspace, settings)


def test_without_kept_checkpoints_it_says_how_to_keep_them(visit, copied):
    at = fine(visit(copied.root, "trajectories", trajectories=copied.trajectories))
    assert "train a proxy with Keep checkpoints on" in words(at)
    assert not has_button(at, "Score the new rows")


def test_new_rows_are_scored_as_a_job_and_the_page_turns_to_them(visit, season, busy):
    busy(season.workspace)
    at = fine(visit(season.root, "trajectories", trajectories=season.old))
    fine(at.selectbox(key="extend:dataset").set_value(season.new).run())
    assert "on the 3 checkpoints kept" in words(at)
    fine(press(at, "Score the new rows"))
    (job,) = jobs.jobs(season.workspace)
    wanted = ["trajectories", "--dataset", season.new, "--extend", season.old]
    assert flags(job) == wanted
    assert at.query_params["dataset"] == season.new
    assert "dataset: next week" in words(at)
    assert "Waiting" in words(at)


def test_an_extension_says_what_it_is(visit, season):
    made = extend(season)
    at = fine(visit(season.root, "trajectories", trajectories=made))
    assert "139 rows keep their losses, 10 were scored" in words(at)
    assert at.session_state["current:trajectories"] == made, "not what it extends"
    assert at.session_state["current:dataset"] == season.new


def test_new_rows_are_placed_on_earlier_clusters_and_a_selection_topped_up(visit, season):
    paths = extend(season)
    at = fine(visit(season.root, "clusters", trajectories=paths))
    assert has_button(at, "Keep this clustering")
    before = {e.id for e in season.workspace.entries("clusters")}
    fine(at.selectbox(key="extend:clusters").set_value(season.clusters).run())
    fine(press(at, "Place the new rows on them"))
    (made,) = {e.id for e in season.workspace.entries("clusters")} - before
    assert at.query_params["clusters"] == made
    assert "of 10 new rows" in "".join(e.value for e in [*at.success, *at.warning])
    assert f"--trajectories {paths} --extend {season.clusters}" in words(at)
    assert "5 clusters of 149 rows" in words(at)
    fine(press(at, "Cluster all rows again"))
    assert has_button(at, "Keep this clustering")
    assert at.slider(key="clusters:k").value == 5
    fine(press(at, "Place the new rows on them"))
    assert {e.id for e in season.workspace.entries("clusters")} == before | {made}, "made once"
    fine(press(at, "Choose a budget"))
    assert at.header[0].value == "Selection"
    assert at.query_params["clusters"] == made
    chosen = top_up(fine(visit(season.root, "selection", clusters=made)), season, made)
    other = fine(visit(season.root, "selection", selection=chosen))  # a link, in another browser
    assert other.selectbox(key=f"selection:keep:{made}").value == season.selection
    assert "Saved as" in words(other)
    other.selectbox(key=f"selection:keep:{made}").set_value("").run()
    assert "Saved as" not in words(fine(other))


def top_up(at, season, groups):
    box = at.selectbox(key=f"selection:keep:{groups}")
    assert box.value == ""
    at.slider(key="selection:share").set_value(30)
    fine(box.set_value(season.selection).run())
    assert "20 of 20 rows stay." in words(at)
    before = {e.id for e in season.workspace.entries("selection")}
    fine(press(at, "Save this selection"))
    (made,) = {e.id for e in season.workspace.entries("selection")} - before
    old, new = (
        pd.read_parquet(season.workspace.open(s).path / "table.parquet")
        for s in (season.selection, made)
    )
    assert new["id"][:20].tolist() == old["id"].tolist()
    assert len(new) == 44 == new["id"].nunique()  # 30% of 149
    assert at.query_params["selection"] == made
    assert "Saved as" in words(at)
    at.slider(key="selection:share").set_value(5).run()
    assert "less than the 20 kept" in at.error[0].value.replace("\\", "")
    assert not has_button(at, "Save this selection")
    return made


def test_clusters_that_extend_nothing_offer_nothing_to_keep(visit, copied):
    at = fine(visit(copied.root, "selection", clusters=copied.clusters))
    assert not [s for s in at.selectbox if str(s.key).startswith("selection:keep")]
