"""Every strategy, one row each."""

from __future__ import annotations

from collections.abc import Callable

from core.selection.pool import Choice, Pool
from core.selection.strategies.chance import full, random, random_cost_matched, random_token_matched
from core.selection.strategies.coverage import d4, facility_location, k_center
from core.selection.strategies.s2l import random_per_source, s2l, s2l_per_source
from core.selection.strategies.scores import (
    cartography_ambiguous,
    forgetting,
    high_learnability,
    least_confidence,
    low_final_loss,
    middle_perplexity,
)

Selector = Callable[[Pool, int, int], Choice]
"""(pool, rows to choose of it, seed) -> choice."""
SELECTORS: dict[str, Selector] = {
    "s2l": s2l,
    "s2l_per_source": s2l_per_source,
    "random": random,
    "random_per_source": random_per_source,
    "full": full,
    "least_confidence": least_confidence,
    "middle_perplexity": middle_perplexity,
    "high_learnability": high_learnability,
    "low_final_loss": low_final_loss,
    "forgetting": forgetting,
    "cartography_ambiguous": cartography_ambiguous,
    "facility_location": facility_location,
    "k_center": k_center,
    "d4": d4,
    "random_token_matched": random_token_matched,
    "random_cost_matched": random_cost_matched,
}
S2L_FAMILY = {"s2l", "s2l_per_source"}
NEEDS_CLUSTERS = S2L_FAMILY
NEEDS_NOTHING = {"random", "random_per_source", "full", "random_cost_matched"}
NEEDS_SOURCES = {"random_per_source", "s2l_per_source"}
COMPARES = {"facility_location", "k_center", "d4"}
"""Compare rows by likeness; the first rows of their choice are a choice, too."""
MATCHED = {"random_token_matched", "random_cost_matched"}
"""As large as another selection, whatever the budget."""
OWN_SIZE = {"full"} | MATCHED
