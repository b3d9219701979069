"""Which selection the fine-tune page begins with."""

from core import selection
from dashboard.finetune import offered


def test_the_newest_by_s2l_without_a_fine_tune_and_never_the_whole_pool(copied):
    workspace = copied.workspace
    assert offered.next_one(workspace) == copied.selection, "all by s2l have one"
    new = selection.run(workspace, selection.Settings(parent=copied.clusters, budget="9"))
    selection.run(workspace, selection.Settings(parent=copied.clusters, strategy="full"))
    drawn = selection.Settings(parent=copied.clusters, strategy="random", budget="9")
    random = selection.run(workspace, drawn)
    full = [e.id for e in workspace.entries("selection") if e.config["strategy"] == "full"]
    assert offered.next_one(workspace) == new
    assert [offered.next_one(workspace, id) for id in (*full, random)] == [new, new, random]
    tried = {e.parents["selection"] for e in workspace.entries("finetune")}
    arm = next(
        e.id
        for e in workspace.entries("selection")
        if e.config["strategy"] == "random" and e.id in tried
    )
    assert offered.next_one(workspace, arm) == new, "an arm of a study was not opened"
    assert offered.next_one(workspace, copied.selection) == copied.selection
    for entry in workspace.entries("selection"):
        if entry.id not in full:
            (workspace.find(entry.id) / "manifest.json").write_text("{")
    assert offered.next_one(workspace) == full[0], "only the whole pool is left"
