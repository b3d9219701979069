"""What each arm of a study took: its fine-tunes, and the proxy that chose its rows, if one did."""

from __future__ import annotations

import math

import pandas as pd

from core.errors import InputError
from core.review import cost as bill
from core.selection.strategies.catalog import STRATEGIES
from core.study.artifact import table as table_of
from core.workspace.artifact import Artifact


def by_arm(study: Artifact) -> pd.DataFrame:
    """Return the seconds of each arm, means over its runs that ended well.

    Returns:
        arm, training, testing (with loading), proxy (training, recording and clustering: once, NaN
        where it was not measured here, 0 for an arm that needs none), tokens (response tokens of
        its rows).
    """
    lines = table_of(study)
    lines = lines[lines["failed"] == ""]
    proxy = proxy_seconds(study)
    out = []
    for arm, part in lines.groupby("arm", sort=False):
        trained = part["train_seconds"].mean() if "train_seconds" in part else math.nan
        whole = part["seconds"].mean() if "seconds" in part else math.nan
        out.append(
            {
                "arm": str(arm),
                "training": trained,
                "testing": max(0.0, whole - trained),
                "proxy": proxy if needs_proxy(study, str(arm)) else 0.0,
                "tokens": part["response_tokens"].mean() if "response_tokens" in part else math.nan,
            }
        )
    return pd.DataFrame(out)


def needs_proxy(study: Artifact, arm: str) -> bool:
    """Say whether an arm's rows are chosen by what a proxy learned."""
    row = STRATEGIES.get(arm)
    if row is not None:
        return row.needs != "dataset"
    saved = study.parents.get(f"settings of arm {arm}")
    try:
        strategy = study.open(saved, "selection").config["strategy"] if saved else "s2l"
    except InputError:  # deleted: most strategies need one
        return True
    return STRATEGIES[strategy].needs != "dataset"


def proxy_seconds(study: Artifact) -> float:
    """Return what the study's proxy took with its recordings and clusters; NaN where not known."""
    try:
        proxy = bill.proxy(study.open(study.parents["clusters"]))
    except (InputError, KeyError):
        return math.nan
    return proxy.train_seconds + proxy.record_seconds + proxy.cluster_seconds


def sentence(costs: pd.DataFrame, *, epochs: float) -> str:
    """Say what the seconds mean in this study."""
    if costs["proxy"].isna().any():
        known = "What the proxy took is not known here: its losses were imported or extended."
    elif (costs["proxy"] == 0).all():
        known = "No arm here needs a proxy."
    else:
        known = f"The proxy took {costs['proxy'].max():,.0f} s, once for all its selections."
    if epochs:
        return (
            f"{known} Equal epochs: an arm of fewer rows trains for less time, and an arm that "
            "needs the proxy pays for it."
        )
    return (
        f"{known} Equal steps: all arms train as long, so less data saves no computing time here; "
        "it saves what collecting, checking and storing the rows costs."
    )
