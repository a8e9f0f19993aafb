"""Read pickles of numbers, text and plain containers without running any code in them."""

from ercfw.pickles.read import read_pickle

__all__ = ["read_pickle"]
