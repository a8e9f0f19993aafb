"""Comparison of finished runs: significance, agreement, ensembles, tables."""
