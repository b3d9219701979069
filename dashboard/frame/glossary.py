"""The words of this product, a sentence each: pages show them, docs/glossary.md lists them."""

from __future__ import annotations

WORDS = {
    "example": "One prompt and its response, or one conversation; one row of the dataset.",
    "held-out rows": "Rows kept aside at the import: never trained on, only tested with.",
    "pool": "The rows that may be selected: all that are not held out, excluded or unmeasurable.",
    "proxy": "A small model that learns the whole pool once, so that its losses can be watched.",
    "target": "The model that is wanted in the end; it is fine-tuned on the selected rows only.",
    "loss": "How badly a model predicts a response, in nats per response token; 0 is perfect.",
    "nat": "The unit of loss: 0.69 nats more make each token half as likely.",
    "response tokens": "The pieces of words of a response; what a model is trained to write.",
    "recording": "One look at the loss of every row while the proxy trains; also a checkpoint.",
    "loss trajectory": "The losses of one row over all recordings: how it was learned.",
    "cluster": "Rows whose loss trajectories are alike, found by k-means; K is their number.",
    "budget": "How much may be selected: a share, a number of rows, or of tokens.",
    "quota": "How many rows of one cluster are selected; equal for all that have enough.",
    "selection": "The rows that a strategy chose from the pool within a budget.",
    "arm": "One of the ways to choose rows that a study compares, such as random or s2l.",
    "seed": "The number that settles all chance in one run; other seeds give other draws.",
    "interval": "Where the true difference lies in 95 of 100 such comparisons.",
    "balanced loss": "The mean over sources of each source's loss, so that small sources count.",
    "exact match": "The share of answers that equal the expected one.",
    "epoch": "One pass over all the rows that are trained on.",
}
"""Word -> its one sentence."""


def help_for(*words: str) -> str:
    """Return what some words mean, as the help of a widget or a title."""
    return "  \n".join(f"**{word}**: {WORDS[word]}" for word in words)


def page() -> str:
    """Return docs/glossary.md."""
    lines = [f"- **{word}**: {meaning}" for word, meaning in sorted(WORDS.items())]
    return "\n".join(["# Glossary", "", *lines, ""])
