"""Reviews: what a selection is like, beside its pool and beside chance."""
