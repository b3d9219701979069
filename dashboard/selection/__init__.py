"""Parts of the selection page."""
