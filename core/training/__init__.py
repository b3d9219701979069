"""Training: one loop for proxy and target alike."""
