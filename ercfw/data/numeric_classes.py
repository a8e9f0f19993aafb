"""Recognise classes whose names are numbers: they may be scores that a dataset should not take for classes."""

import math
from collections.abc import Sequence

MOST_CODES = 10
"""The number of codes from 0 that are common for classes."""


def numbers_of(names: Sequence[str]) -> tuple[float, ...]:
    """Return the names as numbers; empty if there are fewer than two, or one of them is not a finite number."""
    try:
        numbers = tuple(float(name) for name in names)
    except ValueError:
        return ()
    return numbers if len(numbers) > 1 and all(map(math.isfinite, numbers)) else ()


def look_like_scores(names: Sequence[str]) -> bool:
    """Return whether the names are numbers, other than the codes 0, 1, 2, ... of a few classes."""
    numbers = sorted(numbers_of(names))
    return bool(numbers) and (len(numbers) > MOST_CODES or numbers != list(range(len(numbers))))


def describe_numbers(names: Sequence[str]) -> str:
    """Return the message about classes that are numbers, and what to do if they are scores."""
    ordered = sorted(names, key=float)
    return (
        f"the {len(names)} classes are numbers, from '{ordered[0]}' to '{ordered[-1]}', and models do not know their "
        "order; if they are scores, make classes of them (in a table: [data] thresholds)"
    )
