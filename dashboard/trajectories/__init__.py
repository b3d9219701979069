"""Parts of the trajectories page."""
