"""A fine-tune of an earlier version is tested again by a study, not trained again."""

import dataclasses

import pytest

from core import finetune
from core.finetune import retest
from core.finetune.retest import scores_of
from tests.conftest import TUNE


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_saved_model_scores_as_it_did(finished, method, monkeypatch):
    settings = finetune.Settings(**{**TUNE, "method": method}, selection=finished.selection)
    made = finished.workspace.open(finetune.run(finished.workspace, settings))
    dataset = made.ancestor("dataset")
    assert scores_of(finished.workspace, made, dataset, "holdout") == made.summary
    earlier = {k: v for k, v in made.summary.items() if k != "judged"} | {"exact_match": -1.0}
    old = dataclasses.replace(made, manifest={**made.manifest, "summary": earlier})
    again = scores_of(finished.workspace, old, dataset, "holdout")
    assert again.keys() == made.summary.keys()
    for key, value in made.summary.items():
        expected = pytest.approx(value, abs=1e-4) if isinstance(value, float) else value
        assert again[key] == expected, key
    monkeypatch.setattr(retest, "again", None)  # no model is loaded for answers that were kept
    kept = {**made.summary, "judged": 3, "exact_match": -1.0, "right": -1}
    old = dataclasses.replace(made, manifest={**made.manifest, "summary": kept})
    assert scores_of(finished.workspace, old, dataset, "holdout") == made.summary
