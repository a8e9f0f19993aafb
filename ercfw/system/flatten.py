"""Flatten nested tables."""

from collections.abc import Iterator, Mapping
from typing import Any


def flatten(table: Mapping[str, Any], separator: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the name and value of each entry; names of nested entries are joined by ``separator``."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flatten(value, separator, f"{prefix}{key}{separator}")
        else:
            yield f"{prefix}{key}", value
