"""Colours of the charts: those of `core.report.colours`, and the two of the page's scheme."""

from core.report.colours import ACCENT as ACCENT
from core.report.colours import CLUSTER_LIMIT as CLUSTER_LIMIT
from core.report.colours import MUTED as MUTED
from core.report.colours import SEQUENTIAL as SEQUENTIAL
from core.report.colours import cluster_colour as cluster_colour
from core.report.colours import cluster_colours as cluster_colours
from core.report.colours import graded as graded
from core.report.colours import luminance as luminance
from core.report.colours import palette as palette
from core.report.colours import shades as shades
from core.report.colours import source_colours as source_colours

# Streamlit's page script replaces these two by the scheme's text and background colour (a test
# compares them with Streamlit's own names); in a figure saved as a file they are near black.
INK = "#000037"
PAPER = "#000038"
