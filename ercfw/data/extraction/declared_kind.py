"""Compare what an extractor returns with the kind and width that it declares."""

from typing import Any

import numpy as np

from ercfw.contract.interfaces import Extractor


def as_declared(array: Any, extractor: Extractor) -> bool:
    """Return whether an array has the type, shape and range that the extractor declares."""
    if not isinstance(array, np.ndarray):
        return False
    if extractor.kind == "tokens":
        fits = array.dtype == np.int64 and array.ndim == 1
        return fits and bool((array >= 0).all() and (array < extractor.dim).all())
    fits = array.dtype == np.float32 and array.ndim == (1 if extractor.kind == "vector" else 2)
    return fits and array.shape[-1] == extractor.dim and bool(np.isfinite(array).all())


def declared(extractor: Extractor) -> str:
    """Describe in words what the ``kind`` and ``dim`` of an extractor declare."""
    if extractor.kind == "tokens":
        return f"int64 [T] from 0 to {extractor.dim - 1}"
    return f"finite float32 [{'T, ' if extractor.kind == 'frames' else ''}{extractor.dim}]"


def describe_array(array: Any) -> str:
    """Describe in words what an extractor returned for an utterance."""
    return f"{array.dtype} of shape {list(array.shape)}" if isinstance(array, np.ndarray) else repr(array)
