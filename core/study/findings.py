"""What a study found, measure by measure: the sentences of its page, and all of it as plain data.

No text of the data is in it, so that it can be given away where the data cannot.
"""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd

from core.finetune.metrics import LOSS, METRICS, known
from core.study import comparison, costs, leakage, pairs, results
from core.study.artifact import StudySummary, all_lines, base_of
from core.study.artifact import table as table_of
from core.study.sentences import seen_of
from core.workspace.artifact import Artifact


def noise_of(study: Artifact, metric: str, test: str = "") -> float:
    """Return how far apart two evaluations of one model are; 0 where that was not measured."""
    summary = study.summary_as(StudySummary)
    noise = summary.get("noise_of_tests", {}).get(test, {}) if test else summary.get("noise", {})
    return float(noise.get(metric, 0.0))


def sentences(study: Artifact, table: pd.DataFrame, metric: str, test: str = "") -> list[str]:
    """Return what a measure says, the answer first; empty where no arm has a counterpart."""
    row = METRICS[metric]
    planned = pairs.registered(table, metric, noise_of(study, metric, test))
    out = [comparison.sentence(c, row) for c in planned]
    if planned and planned[0].test.n < results.INTERVAL_FROM:
        out.append(comparison.by_chance(table, metric, planned[0].arm, planned[0].other))
    margin = study.config.get(f"margin_{row.short}")
    if margin:  # studies of before had none
        out += [
            comparison.as_good(table, metric, arm, float(margin)) for arm in (pairs.OURS, "random")
        ]
    out.append(comparison.place_among_random(table, metric))
    return [text for text in out if text]


def in_short(study: Artifact, table: pd.DataFrame, metric: str, test: str = "") -> str:
    """Return the answer in plain words; empty where s2l has no counterpart."""
    planned = pairs.registered(table, metric, noise_of(study, metric, test))
    return comparison.in_short(planned[0], METRICS[metric]) if planned else ""


def in_probabilities(table: pd.DataFrame, metric: str, base: float | None) -> str:
    """Say a loss as a probability, exp(-loss), of each arm; empty for what is no loss.

    It is the geometric mean of what a model gives the right tokens of a response.

    Args:
        base: Loss of the untuned model, nats per response token.
    """
    means = table.groupby("arm")[metric].mean().dropna().sort_values()
    if METRICS[metric].unit != LOSS or means.empty:
        return ""
    arms = [(comparison.title(str(arm)), loss) for arm, loss in means.items()]
    arms += [("before training", base)] if base is not None and math.isfinite(base) else []
    said = ", ".join(f"{name} {math.exp(-loss):.0%}" for name, loss in arms)
    return f"Chance that each right token of an answer is given (geometric mean): {said}."


def different_items(table: pd.DataFrame) -> str:
    """Say that arms were tested on different numbers of items; empty where they were not."""
    good = table[table["failed"] == ""]
    for column, what in (("decoded", "answered"), ("loss_items", "measured by their loss")):
        counts = sorted(set(good[column].dropna().astype(int))) if column in good else []
        if len(counts) > 1:
            return (
                f"The arms were not tested on the same items: {', '.join(map(str, counts))} were "
                f"{what}. Scores of different items do not compare; run the study again."
            )
    return ""


def more_seeds(table: pd.DataFrame, metric: str) -> int:
    """Return how many more seeds would show the margin, or give an interval; 0 for none."""
    planned = pairs.registered(table, metric)
    if not planned or planned[0].failed:
        return 0
    test = planned[0].test
    if test.n < results.INTERVAL_FROM:
        return 5 - test.n
    if test.low > 0 or test.high < 0 or not test.sd:
        return 0
    needed = results.seeds_for_effect(METRICS[metric].margin, test.sd)
    return max(0, needed - test.n) if needed else 0


def as_data(study: Artifact) -> dict[str, Any]:
    """Return a study as plain data: settings, scores of every run, comparisons, sentences, costs.

    Numbers that are not known are None.
    """
    tests = study.summary_as(StudySummary).get("tests", {})
    out: dict[str, Any] = {
        "study": study.id,
        "name": study.name,
        "created": study.manifest["created"],
        "versions": study.manifest.get("versions", {}),
        "config": study.config,
        "summary": study.summary_as(StudySummary),
        "runs": _records(all_lines(study)),
        "costs": _records(costs.by_arm(study)),
        "measures": _measures(study, ""),
        "tests": {test: _measures(study, test) for test in tests},
    }
    plain: dict[str, Any] = _without_nan(out)
    return plain


def _measures(study: Artifact, test: str) -> dict[str, Any]:
    """Return what each measure of a test says."""
    table = table_of(study, test)
    base = base_of(study, test)
    out: dict[str, Any] = {}
    for key, metric in known(table).items():
        planned = pairs.registered(table, key, noise_of(study, key, test))
        out[key] = {
            "title": metric.called(seen_of(table)),
            "unit": metric.unit,
            "difference_in": metric.short,
            "lower_is_better": metric.lower_is_better,
            "sentences": sentences(study, table, key, test),
            "planned": [
                {"arm": c.arm, "other": c.other, "adjusted_p": c.p, **c.test._asdict()}
                for c in planned
            ],
            "exploratory": _records(pairs.exploratory(table, key)),
        }
        clean = leakage.without(table)
        if clean is not None and key in clean:
            apart = pairs.registered(clean, key, noise_of(study, key, test))
            out[key]["without_overlap"] = {
                "scores": _records(leakage.beside(table, base, key)),
                "sentences": [comparison.sentence(c, metric) for c in apart],
            }
    return out


def as_json(study: Artifact) -> str:
    """Write `as_data` as JSON."""
    return json.dumps(as_data(study), indent=1, ensure_ascii=False, allow_nan=False)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.item() if hasattr(value, "item") else value
