"""Names and tags beside artifacts."""

import pytest

from core.edits import labels
from core.errors import InputError


def test_a_label_changes_nothing_of_its_artifact(copied):
    workspace, id = copied.workspace, copied.clusters
    before = (workspace.open(id).path / "manifest.json").read_bytes()
    assert labels.read(workspace) == {}
    made = labels.write(workspace, id, "  the  good\none ", ["a", "b", "a", " "])
    assert made == labels.Label("the good one", ("a", "b"))
    assert labels.read(workspace) == {id: made}
    assert (workspace.open(id).path / "manifest.json").read_bytes() == before
    assert workspace.verify(id) == []
    labels.write(workspace, id, "", [])
    assert labels.read(workspace) == {}


@pytest.mark.parametrize("name", ["x" * 121, "é" * 500])
def test_what_is_too_long_or_of_nothing_is_refused(copied, name):
    with pytest.raises(InputError, match="at most 120"):
        labels.write(copied.workspace, copied.clusters, name, [])
    with pytest.raises(InputError, match="at most 12"):
        labels.write(copied.workspace, copied.clusters, "", [str(n) for n in range(13)])
    with pytest.raises(InputError, match="no artifact"):
        labels.write(copied.workspace, "../../x", "name", [])


def test_a_damaged_label_is_as_none(copied):
    labels.write(copied.workspace, copied.study, "x", [])
    path = copied.root / "edits" / "labels" / f"{copied.study}.json"
    path.write_text("[1")
    assert labels.read(copied.workspace) == {}
