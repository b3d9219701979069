"""Colours of the report."""

import re

from core.report import colours
from core.report.html import HERE


def test_words_have_the_contrast_of_aa_on_light_dark_and_paper():
    css = (HERE / "page.css").read_text()
    blocks = re.findall(r":root \{([^}]*)\}", css)
    assert len(blocks) == 3
    for block in blocks:
        colour = dict(re.findall(r"--(\w+): (#\w+)", block))
        full = {
            k: v if len(v) == 7 else "#" + "".join(2 * c for c in v[1:]) for k, v in colour.items()
        }
        for ground in ("paper", "card"):
            for words in ("ink", "soft", "accent"):
                two = sorted(colours.luminance(full[name]) for name in (ground, words))
                assert (two[1] + 0.05) / (two[0] + 0.05) >= 4.5, (block, ground, words)
