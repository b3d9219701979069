"""Workspaces: artifacts on disk, sealed by a manifest."""
