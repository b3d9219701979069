"""The nouns of the command line: each is a package `core.<noun>` with `Settings` and `run`."""

from __future__ import annotations

DURATION = (
    "about 1 min on 2 idle cores of an Intel Xeon with AMX, 2 to 4 min on slower or busy ones"
)
"""Of the whole demo, as measured (README); the Makefile says it too."""
NOUNS = {
    "dataset": "import a fine-tuning dataset",
    "trajectories": "train a proxy on a dataset and record every example's loss over its training",
    "layout": "place every example on a 2-D map",
    "transfer": "try a target on a few rows: can the proxy speak for it?",
    "clusters": "cluster the loss trajectories",
    "selection": "choose the rows to train on",
    "finetune": "train a target on a selection and test it",
    "study": "compare selections by equal fine-tunes",
    "export": "write the selected rows for another trainer, with a data card and a config",
    "gains": "score rows of the pool before and after a fine-tune: what did it improve",
    "publish": "write a fine-tune's model for other tools: merged, adapter or GGUF, with a card",
    "demo": f"the whole pipeline on embedded data, in {DURATION}",
}
"""Name -> what it does."""
