"""Audit a corpus before training: find its problems and compute its statistics."""
