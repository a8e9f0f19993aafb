"""Pickles of numbers, text and plain containers, opened without running a line of theirs."""

from ercfw.pickles.read import read_pickle

__all__ = ["read_pickle"]
