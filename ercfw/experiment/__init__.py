"""Experiments: one run, many runs, ablations and searches."""
