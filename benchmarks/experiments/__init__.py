"""The experiments of benchmarks/evidence.py: pools, runs, and what is fixed before they run."""
