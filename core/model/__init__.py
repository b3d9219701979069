"""Models: weights, tokenizers, templates and tokens."""
