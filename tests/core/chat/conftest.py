"""Three fine-tunes to talk to: all weights, and two adapters on one local base."""

import dataclasses
import pathlib
from typing import NamedTuple

import pytest

from core import finetune
from core.workspace.artifact import Artifact


class Runs(NamedTuple):
    whole: Artifact
    one: Artifact
    two: Artifact


@pytest.fixture(scope="package")
def spoken(pipeline, tmp_path_factory):
    """Copy the finished workspace once for all tests of this folder; they add votes only."""
    import shutil

    root = tmp_path_factory.mktemp("chat") / "workspace"
    return pipeline._replace(root=pathlib.Path(shutil.copytree(pipeline.root, root)))


@pytest.fixture(scope="package")
def runs(spoken):
    workspace = spoken.workspace
    whole = workspace.open(spoken.finetune)
    settings = finetune.Settings(
        selection=spoken.selection,
        model=str(whole.path / "model"),
        method="lora",
        lr=0.01,
        steps=2,
        max_length=64,
        decode=0,
    )
    ids = [
        finetune.run(workspace, dataclasses.replace(settings, seed=seed, name=f"adapter {seed}"))
        for seed in (0, 1)
    ]
    return Runs(whole, *(workspace.open(id) for id in ids))
