"""Formatting of scores for readers: in points, where a score of 1 is 100 points, or as they are."""

from collections.abc import Sequence
from statistics import mean, stdev

from ercfw.contract.metric import SHARE, Scale

MISSING = "-"


def points(score: float | None, deviation: float | None = None, scale: Scale = SHARE) -> str:
    """Return a score, followed by its standard deviation if there is one; "-" without a score."""
    if score is None:
        return MISSING
    return _number(score, scale) + (f" ± {_number(deviation, scale)}" if deviation is not None else "")


def points_over_seeds(scores: Sequence[float], scale: Scale = SHARE) -> str:
    """Return the mean over seeds, with the sample standard deviation if there are several seeds."""
    if not scores:
        return MISSING
    return points(mean(scores), stdev(scores) if len(scores) > 1 else None, scale)


def interval(low: float, high: float, scale: Scale, signed: bool = False) -> str:
    """Return an interval of scores, or of differences of scores with their signs."""
    return f"[{_number(low, scale, signed)}, {_number(high, scale, signed)}]"


def difference(value: float, scale: Scale) -> str:
    """Return a difference of two scores with its sign."""
    return _number(value, scale, signed=True)


def _number(value: float, scale: Scale, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{100 * value:{sign}.2f}" if scale.in_points else f"{value:{sign}.3f}"


def p_value(p: float) -> str:
    """Return a p-value without its leading zero, such as ``.012``."""
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")
