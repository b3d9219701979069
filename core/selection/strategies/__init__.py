"""Strategies: the selectors, a file a family."""
