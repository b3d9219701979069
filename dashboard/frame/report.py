"""The report of an artifact, to be downloaded where its result is shown."""

from __future__ import annotations

from typing import Literal

from core.report.run import page
from core.workspace.artifact import Artifact
from dashboard.frame import widgets


def offer(artifact: Artifact, key: str, width: Literal["content", "stretch"] = "content") -> None:
    """Offer the report as one HTML file; it is written when the button is pressed."""
    widgets.download(
        "Report",
        lambda: page(artifact),
        file_name=f"report-{artifact.id}.html",
        mime="text/html",
        icon=":material/description:",
        on_click="ignore",
        key=key,
        width=width,
        help="One page that needs neither this program nor a network: pictures, results with "
        "intervals, limits, and the commands that repeat it. No texts of the data",
    )
