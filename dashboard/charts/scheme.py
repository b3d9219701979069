"""What keeps a drawn chart readable when the page turns from light to dark, or back.

Streamlit writes the scheme's colours into a figure once and does not draw it again for another
scheme: its text would stay dark on dark. So what has the ink of either scheme takes the page's, and
lines of the grid and the glow around names follow it, too. A tip over a chart has its own ground.
"""

from dashboard.charts.figure import HALO
from dashboard.charts.theme import PAPER

INKS = ("rgb(38, 39, 48)", "rgb(250, 250, 250)")
"""What Streamlit replaces `theme.INK` by, light and dark, as a browser writes it."""
GRIDS = ("rgb(230, 234, 241)", "rgb(49, 51, 63)")
"""Lines of the grid, light and dark."""
PAPERS = ("#ffffff", "#14161a")
"""The page's ground, light and dark."""


def _any(part: str, colours: tuple[str, str]) -> str:
    return ", ".join(f".js-plotly-plot {part.format(colour)}" for colour in colours)


_GLOW = str(HALO["shadow"]).replace(PAPER, f"light-dark({', '.join(PAPERS)})")
STYLE = f"""<style>
{_any('text[style*="{}"]:not(.hoverlayer *)', INKS)} {{fill: currentColor !important}}
{_any('.points path[style*="fill: {}"]', INKS)} {{fill: currentColor !important}}
{_any('.points path[style*="stroke: {}"]', INKS)} {{stroke: currentColor !important}}
{_any('.shapelayer path[style*="stroke: {}"]', INKS)} {{stroke: currentColor !important}}
{_any('.gridlayer path[style*="{}"]', GRIDS)} {{
  stroke: light-dark({", ".join(GRIDS)}) !important}}
.js-plotly-plot text[style*="text-shadow"] {{text-shadow: {_GLOW} !important}}
</style>"""
