"""Names that tell clusters of the same words apart, by how they were learned."""

from __future__ import annotations

import collections
from collections.abc import Sequence

PACES = ("learned early", "learned late", "never learned", "known from the start")
ENDS = ("ends low", "ends high")
LENGTHS = ("short answers", "long answers")
FORGOTTEN = ("forgotten again",)
USUAL = "usual pace"
"""What a name says of "learned with the rest", which is long and means little alone."""


LONGEST = 23
"""Characters of such a name: with its number it fits the labels of charts."""


def distinct(
    names: Sequence[str], behaviours: Sequence[str], final_loss: Sequence[float]
) -> list[str]:
    """Tell clusters of the same words, in any order, or of none, apart; other names stay.

    They get what differs in how they were learned: the pace, else where they end, else the length
    of their answers, else whether they were forgotten. Of two that are alike in this too, one ends
    lower; more get their final loss, or where that is equal a number, lowest loss first.

    Args:
        names: Words of each, joined by " · ", as `keywords` gives them.
        behaviours: As `how_learned.behaviours` gives them.
        final_loss: Mean of each, nats per response token.
    """
    groups: dict[frozenset[str], list[int]] = collections.defaultdict(list)
    for place, name in enumerate(names):
        groups[frozenset(name.split(" · "))].append(place)
    out = list(names)
    for places in groups.values():
        if len(places) == 1 and names[places[0]]:
            continue
        tags = _tags([behaviours[place] for place in places])
        for tag in dict.fromkeys(tags):
            alike = [place for place, own in zip(places, tags, strict=True) if own == tag]
            for place, end in zip(alike, _ends([final_loss[p] for p in alike], tag), strict=True):
                out[place] = _joined(names[place].split(" · ")[:2], tag, end)
            for place in alike if len(alike) == 1 and not tag else []:
                out[place] = names[place] or f"loss {final_loss[place]:.2f}"
    return _numbered(out)


def _tags(behaviours: Sequence[str]) -> list[str]:
    """Return of each what it differs in from the others; "" where there is no word for it."""
    parts = [behaviour.split(", ") for behaviour in behaviours]
    tags = [""] * len(parts)
    for words in (PACES, ENDS, LENGTHS, FORGOTTEN):
        usual = USUAL if words is PACES else ""
        found = [next((word for word in words if word in own), usual) for own in parts]
        if len(set(found)) > len(set(tags)):
            tags = found
    return tags


def _ends(losses: Sequence[float], tag: str) -> list[str]:
    """Return what tells clusters of one tag apart."""
    if len(losses) == 1:
        return [""]
    shown = [f"{loss:.2f}" for loss in losses]
    if len(set(shown)) == len(shown) == 2:
        low, high = ("lower", "higher") if tag else ("ends lower", "ends higher")
        return [low if loss == min(losses) else high for loss in losses]
    if len(set(shown)) == len(shown):
        return [f"loss {text}" for text in shown]
    order = sorted(range(len(losses)), key=losses.__getitem__)
    return [str(order.index(place) + 1) for place in range(len(losses))]


def _joined(words: list[str], tag: str, end: str) -> str:
    """Return words and what sets them apart, in no more than `LONGEST` characters."""
    how = ", ".join(filter(None, (tag, end)))
    for kept, tail in ((words, how), (words[:1], how), (words[:1], how.removeprefix("learned "))):
        name = " · ".join(filter(None, (*kept, tail)))
        if len(name) <= LONGEST:
            return name
    return how


def _numbered(names: list[str]) -> list[str]:
    """Number names that are still equal."""
    counts, seen = collections.Counter(names), collections.Counter[str]()
    out = []
    for name in names:
        seen[name] += 1
        out.append(f"{name} · {seen[name]}" if counts[name] > 1 else name)
    return out
