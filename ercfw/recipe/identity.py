"""Keys of a resolved recipe that affect no number: changing them leaves a run the same run."""

from collections.abc import Mapping
from typing import Any

from ercfw.recipe.toml import Tables

HARMLESS = ("title", "train.on_out_of_memory", "train.save_seconds")
"""Dotted keys that do not affect results: finished runs stay known, and stopped ones can resume, if they change."""


def without_keys(tables: Mapping[str, Any], keys: tuple[str, ...] = HARMLESS) -> Tables:
    """Return the tables without these keys, given as dotted paths; a key may be missing."""
    left = dict(tables)
    for path in keys:
        name, _, rest = path.partition(".")
        if rest and isinstance(left.get(name), Mapping):
            left[name] = without_keys(left[name], (rest,))
        elif not rest:
            left.pop(name, None)
    return left
