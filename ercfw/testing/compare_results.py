"""Compare two results of a part that should be equal."""

from torch import Tensor

from ercfw.testing.outcome import CheckFailed

CLOSE = 1e-4
"""Relative difference that the order of sums in float32 can cause."""


def same(one: Tensor, other: Tensor, message: str) -> None:
    """Compare two tensors of one shape.

    Args:
        one: the first.
        other: the second.
        message: the message where they differ; the largest difference is appended.

    Raises:
        CheckFailed: they differ by more than ``CLOSE``, relative to the largest value of ``one`` (at least 1), or
            one of them holds NaN.
    """
    scale = max(1.0, float(one.detach().abs().max()))
    difference = float((one - other).detach().abs().max())
    if not difference <= CLOSE * scale:
        raise CheckFailed(f"{message} (by {difference:.2g})")
