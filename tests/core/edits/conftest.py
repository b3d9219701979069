"""A workspace whose rows can be edited."""

import copy

import pytest

from core import edits
from core.workspace.store import Workspace
from tests.summaries import whole

N, K = 200, 5


class Place:
    """A workspace with a dataset of so many rows, a clustering of it, and another dataset."""

    def __init__(self, root, n=N):
        self.workspace = Workspace(root)
        self.dataset = self.seal("dataset", n).id
        self.other = self.seal("dataset", n).id
        self.clusters = self.seal("clusters", n, dataset=self.dataset).id

    def seal(self, kind, n, **parents):
        draft = self.workspace.draft(kind, name="x", config={}, parents=parents)
        return draft.seal(whole(kind, rows=n, k=K))

    @property
    def log(self):
        return self.workspace.root / "edits" / f"{self.dataset}.jsonl"

    def do(self, op, *args, **more):
        head = (self.dataset, self.clusters) if op in ("name", "note_cluster") else (self.dataset,)
        return getattr(edits, op)(self.workspace, *head, *args, **more)

    def read(self, upto=None):
        return edits.read(self.workspace, self.dataset, upto)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "workspace")


def plain(found):
    """What the edits amount to, without where they stand."""
    return (found.excluded.tolist(), found.pinned.tolist(), *copy.deepcopy(found[2:5]))


NOTHING = ([], [], {}, {}, {})
