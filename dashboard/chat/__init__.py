"""Chat: a fine-tune, its base and others answer side by side, and people vote without names."""
