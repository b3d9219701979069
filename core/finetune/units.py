"""Units after a number: which letters are one, and which are the same."""

from __future__ import annotations

import re

SHORT = r"(?:mm|cm|m|km|in|ft|yd|mi|mg|g|kg|lb|oz|ml|l|s|ms|h|hr"
SHORT_UNIT = re.compile(
    rf"{SHORT}|[a-z]{{3}}) ?\^?\{{?\d?\}}?|{SHORT})\s*/\s*{SHORT}|sec|min)\^?\{{?\d?\}}?",
    re.IGNORECASE,
)
"""Units that could be read as a product of letters."""
UNITS = {
    "in": "inch inches",
    "ft": "foot feet",
    "yd": "yard yards",
    "mi": "mile miles",
    "mm": "millimeter millimeters",
    "cm": "centimeter centimeters centimetre centimetres",
    "m": "meter meters metre metres",
    "km": "kilometer kilometers kilometre kilometres",
    "g": "gram grams",
    "kg": "kilogram kilograms",
    "lb": "pound pounds lbs",
    "s": "second seconds sec secs",
    "min": "minute minutes mins",
    "h": "hour hours hr hrs",
}
SAME_UNIT = {name: short for short, names in UNITS.items() for name in names.split()}
"""A unit's name -> how it is abbreviated."""


def short_name(text: str) -> str:
    """Return a unit as it is compared: abbreviated where that is known, else without an s."""
    unit = re.sub(r"[\s{}^.]", "", text).lower()
    if unit in SAME_UNIT:
        return SAME_UNIT[unit]
    return unit.removesuffix("s") if len(unit) > 3 else unit
