"""Objects that stay for good are left out of the collections that follow every run of a page."""

import gc
import sys
import types

import pytest

from dashboard.frame import garbage


@pytest.fixture
def melted(monkeypatch):
    """Nothing frozen, as in a server that has just begun."""
    before = gc.get_freeze_count()
    gc.unfreeze()
    monkeypatch.setattr(garbage, "_frozen", 0)
    yield
    gc.unfreeze()
    if before:
        gc.freeze()


def test_modules_are_frozen_once_and_again_only_where_many_were_imported(melted, monkeypatch):
    class Leaf:
        pass

    garbage.freeze_modules()
    frozen = gc.get_freeze_count()
    assert frozen > 10_000
    kept = [Leaf()]
    kept[0].itself = kept
    garbage.freeze_modules()
    assert any(o is kept for o in gc.get_objects()), "a page's own objects are collected as ever"
    for i in range(garbage.MORE):
        monkeypatch.setitem(sys.modules, f"made_up_{i}", types.ModuleType("made_up"))
    garbage.freeze_modules()
    assert gc.get_freeze_count() > frozen
