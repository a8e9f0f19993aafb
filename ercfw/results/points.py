"""Formatting of scores for readers: in points, where a score of 1 is 100 points."""

from collections.abc import Sequence
from statistics import mean, stdev

MISSING = "-"


def points(score: float | None, deviation: float | None = None) -> str:
    """Return a score in points, followed by its standard deviation if there is one; "-" without a score."""
    if score is None:
        return MISSING
    return f"{100 * score:.2f}" + (f" ± {100 * deviation:.2f}" if deviation is not None else "")


def points_over_seeds(scores: Sequence[float]) -> str:
    """Return the mean over seeds in points, with the sample standard deviation if there are several seeds."""
    if not scores:
        return MISSING
    return points(mean(scores), stdev(scores) if len(scores) > 1 else None)


def p_value(p: float) -> str:
    """Return a p-value without its leading zero, such as ``.012``."""
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")
