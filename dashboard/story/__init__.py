"""The story for people who decide: five steps, full screen, from the workspace's own artifacts."""
