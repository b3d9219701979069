import pytest

from core.workspace import shared_views
from core.workspace.store import Workspace


def test_equal_views_have_one_name_and_come_back(tmp_path):
    workspace = Workspace(tmp_path)
    view = {"map": "umap", "lasso": [{"x": [0.5, 1, 2], "y": [0, 1, 0]}]}
    name = shared_views.save(workspace, view)
    assert shared_views.save(workspace, dict(reversed(view.items()))) == name
    assert shared_views.load(workspace, name) == view
    assert len(list((tmp_path / "views").iterdir())) == 1


@pytest.mark.parametrize("name", ["", "0" * 16, "../run", "zz"])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="no view"):
        shared_views.load(Workspace(tmp_path), name)
