"""Example texts on a story: short, plain, and hidden by one switch."""

from __future__ import annotations

import re
from typing import Any

LONGEST = 280


def text_of(example: Any, *, masked: bool) -> str:
    """Return an example's prompt and response as plain text; masked, only its shape."""
    text = f"{example['prompt']}\n→ {example['response']}"
    if masked:
        text = re.sub(r"\w", "▒", text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
