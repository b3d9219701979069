import pytest

from core import views
from core.store import Workspace


def test_equal_views_have_one_name_and_come_back(tmp_path):
    workspace = Workspace(tmp_path)
    view = {"map": "umap", "lasso": [{"x": [0.5, 1, 2], "y": [0, 1, 0]}]}
    name = views.save(workspace, view)
    assert views.save(workspace, dict(reversed(view.items()))) == name
    assert views.load(workspace, name) == view
    assert len(list((tmp_path / "views").iterdir())) == 1


@pytest.mark.parametrize("name", ["", "0" * 16, "../run", "zz"])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="no view"):
        views.load(Workspace(tmp_path), name)
