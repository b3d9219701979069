"""Pages of a large workspace: what did not change is not read again."""

import shutil
import time

import pytest

from core.workspace import artifact, files, manifest, store
from tests.pages.conftest import fine

NAMED = {
    "overview": (),
    "dataset": ("dataset",),
    "trajectories": ("trajectories",),
    "clusters": ("clusters",),
    "selection": ("clusters",),
    "finetune": ("selection",),
    "study": ("study",),
}
"""What the address of each page names."""


@pytest.fixture(scope="session")
def crowd(pipeline, tmp_path_factory):
    """The finished workspace and copies of its artifacts: 300 in all."""
    root = shutil.copytree(pipeline.root, tmp_path_factory.mktemp("crowd") / "workspace")
    many = pipeline._replace(root=root)
    first = many.workspace.entries()
    kinds = ("dataset", "selection", "finetune", "clusters")
    models = [next(e for e in first if e.kind == kind) for kind in kinds]
    for number in range(300 - len(first)):
        model = many.workspace.open(models[number % len(models)].id)
        folder = model.path.with_name(f"20200101-{number:09}-0000")
        shutil.copytree(model.path, folder)
        facts = {k: v for k, v in model.manifest.items() if k != "self_sha256"}
        files.write_json(folder / manifest.NAME, manifest.signed({**facts, "id": folder.name}))
    time.sleep(files.SETTLED)
    return many


@pytest.mark.parametrize("page", NAMED)
def test_a_rerun_reads_only_the_manifest_that_changed(visit, crowd, page, monkeypatch):
    monkeypatch.setattr(store, "SELDOM", 1.0)  # else a busy machine looks again after minutes
    entries = crowd.workspace.entries()
    assert len(entries) == 300
    assert {e.state for e in entries} == {"sealed"}
    at = fine(visit(crowd.root, page, **{kind: getattr(crowd, kind) for kind in NAMED[page]}))
    seen, read = [], files.read_json

    def reading(path):
        if path.name in (manifest.NAME, artifact.RUN) and path.is_relative_to(crowd.root):
            seen.append(path.parent.name)
        return read(path)

    for module in (manifest, artifact):
        monkeypatch.setattr(module, "read_json", reading)
    fine(at.run())
    assert seen == []
    kind = NAMED[page][0] if NAMED[page] else "dataset"
    (crowd.workspace.find(getattr(crowd, kind)) / manifest.NAME).touch()
    time.sleep(store.RECHECK + 0.1)
    fine(at.run())
    assert set(seen) == {getattr(crowd, kind)}
    time.sleep(files.SETTLED)
    crowd.workspace.entries()  # settled again for the next page
