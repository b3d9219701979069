"""Every strategy, one row each: what it does, what it needs, how its size is decided.

A new strategy is a function in the module of its family and a row here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from core.selection.pool import Choice, Pool
from core.selection.strategies import chance, coverage, given, s2l, scores, target


class Strategy(NamedTuple):
    """Everything that the rest of the product knows of a strategy."""

    choose: Callable[[Pool, int, int], Choice]
    """(pool, rows to choose of it, seed) -> choice."""
    title: str
    sentence: str
    needs: Literal["dataset", "trajectories", "clusters"] = "trajectories"
    """What it reads of the pool's lineage."""
    seeded: bool = False
    """Whether another seed gives other rows."""
    sources: bool = False
    """Needs data that names its sources."""
    switches: bool = False
    """Takes the switches of S2L."""
    quotas: bool = False
    """Shares the budget over the clusters of its parent, so quotas may be set by hand."""
    prefix: bool = False
    """Compares rows by likeness; the first rows of its choice are a choice, too."""
    size: Literal["budget", "pool", "matched"] = "budget"
    """As large as the budget, the pool, or another selection, whatever the budget."""
    scores: bool = False
    """Goes by scores that another tool gave."""
    queries: bool = False
    """Goes by examples of what the target is to do."""
    cost: bool = False
    """Counts what the other selection's proxy cost the target, at equal epochs, not steps."""


STRATEGIES: dict[str, Strategy] = {
    "s2l": Strategy(
        s2l.s2l,
        "S2L: evenly over the clusters",
        "Clusters share the budget evenly, rows inside at random (Yang et al., arXiv 2403.07384).",
        needs="clusters",
        seeded=True,
        switches=True,
        quotas=True,
    ),
    "s2l_per_source": Strategy(
        s2l.s2l_per_source,
        "S2L inside each source",
        "Sources share the budget evenly, then each is clustered and shared alone, as the authors' "
        "released code does.",
        needs="clusters",
        seeded=True,
        switches=True,
        sources=True,
    ),
    "random": Strategy(
        chance.random,
        "Random",
        "Uniform draws: the baseline that everything has to beat.",
        needs="dataset",
        seeded=True,
    ),
    "random_per_source": Strategy(
        s2l.random_per_source,
        "Random, evenly over the sources",
        "Sources share the budget evenly, random inside: tells a gain of S2L from one of balancing "
        "sources.",
        needs="dataset",
        seeded=True,
        sources=True,
    ),
    "full": Strategy(chance.full, "Everything", "The whole pool.", needs="dataset", size="pool"),
    "least_confidence": Strategy(
        scores.least_confidence, "Largest final loss", "Largest loss at the end."
    ),
    "middle_perplexity": Strategy(
        scores.middle_perplexity,
        "Middle final loss",
        "Final loss nearest the middle rank (Marion et al. 2023).",
    ),
    "high_learnability": Strategy(
        scores.high_learnability,
        "Largest loss drop",
        "Largest fall of the loss from before training to the end.",
    ),
    "low_final_loss": Strategy(
        scores.low_final_loss, "Smallest final loss", "Smallest loss at the end."
    ),
    "forgetting": Strategy(
        scores.forgetting,
        "Most often forgotten",
        "Most rises of more than 0.1 nats per response token from one recording to the next "
        "(Toneva et al. 2019, who count right answers turning wrong); of equals the higher rises "
        "first, then drawn.",
        seeded=True,
    ),
    "cartography_ambiguous": Strategy(
        scores.cartography_ambiguous,
        "Most ambiguous on the data map",
        "Largest standard deviation of exp(-loss) over training (Swayamdipta et al. 2020, who take "
        "the probability of a class).",
    ),
    "longest_response": Strategy(
        scores.longest_response,
        "Longest response",
        "Most response tokens: a strong baseline for instructions (Zhao et al. 2024, arXiv "
        "2402.04833).",
    ),
    "scores": Strategy(
        given.given_scores,
        "Scores of another tool",
        "Rows by a score that you bring: a judge's rating, RDS+, LESS, anything with a number.",
        needs="dataset",
        scores=True,
    ),
    "s2l_scores": Strategy(
        s2l.s2l_scores,
        "S2L's shares, another tool's scores inside",
        "Clusters share the budget as in S2L; inside each, rows are taken by a score that you "
        "bring.",
        needs="clusters",
        switches=True,
        quotas=True,
        scores=True,
    ),
    "like_target": Strategy(
        target.like_target,
        "Likest to your own examples",
        "Examples of the target's task in turn take the row likest to them, by the cosine of the "
        "proxy's hidden states, later tokens weighing more (RDS+: Ivison et al. 2025, arXiv "
        "2503.01807).",
        prefix=True,
        queries=True,
    ),
    "facility_location": Strategy(
        coverage.facility_location,
        "Facility location: together like all rows",
        "Rows that together are most like all rows: greedy on the sum over all rows of the largest "
        "(1 + cosine) / 2 to a chosen one.",
        prefix=True,
    ),
    "k_center": Strategy(
        coverage.k_center,
        "K-center: as far apart as can be",
        "The row farthest from all chosen, again and again (Gonzalez 1985; Sener & Savarese 2018).",
        prefix=True,
    ),
    "d4": Strategy(
        coverage.d4,
        "D4: neither repeated nor typical",
        "Near-duplicates and the most typical rows left out, uniform among the rest (after "
        "Tirumala et al. 2023).",
        seeded=True,
        prefix=True,
    ),
    "random_token_matched": Strategy(
        chance.random_token_matched,
        "Random, as many tokens as another selection",
        "Random rows until the response tokens of another selection are reached, within one row.",
        seeded=True,
        size="matched",
    ),
    "random_cost_matched": Strategy(
        chance.random_cost_matched,
        "Random, for the cost of another selection",
        "As many random rows as another selection would have had if its proxy's training and "
        "recording had been spent on the target instead.",
        needs="dataset",
        seeded=True,
        size="matched",
        cost=True,
    ),
}


def having(**values: object) -> list[str]:
    """Name the strategies whose row has these values, for a sentence or a list."""
    rows = STRATEGIES.items()
    return [n for n, row in rows if all(getattr(row, k) == v for k, v in values.items())]


def named(**values: object) -> str:
    """Write the strategies whose row has these values for a sentence."""
    *first, last = having(**values)
    return f"{', '.join(first)} and {last}" if first else last


def as_markdown() -> str:
    """Write the strategies as the table of docs/strategies.md."""
    lines = ["| strategy | needs | size | seeded | what it takes |", "|---|---|---|---|---|"]
    for name, row in STRATEGIES.items():
        needs = row.needs + (", sources" if row.sources else "")
        size = "another selection" if row.size == "matched" else row.size
        seeded = "yes" if row.seeded else "no"
        lines.append(f"| `{name}` | {needs} | {size} | {seeded} | {row.sentence} |")
    return "\n".join(lines) + "\n"
