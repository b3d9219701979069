"""What every page has: its place, its forms, its jobs."""
