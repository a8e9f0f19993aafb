"""Metrics of shares of annotators: how far the predicted probabilities are from the shares."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ercfw import ERROR, metric

Shares = NDArray[np.floating]
SMALLEST = float(np.finfo(np.float32).tiny)


@metric("soft-classes", scale=ERROR)
def soft_cross_entropy(shares: Shares, probabilities: Shares, names: Sequence[str]) -> float:
    """Return the mean of -sum_c q_c log p_c, in nats, of the shares q and the probabilities p."""
    logs = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST))  # [N, C]
    return float(-(shares.astype(np.float64) * logs).sum(-1).mean())


@metric("soft-classes", scale=ERROR)
def jensen_shannon(shares: Shares, probabilities: Shares, names: Sequence[str]) -> float:
    """Return the mean Jensen-Shannon divergence of shares and probabilities, in nats (Lin, 1991)."""
    q, p = shares.astype(np.float64), probabilities.astype(np.float64)  # [N, C]
    middle = (q + p) / 2
    return float((_divergence(q, middle) / 2 + _divergence(p, middle) / 2).mean())


@metric("soft-multilabel", scale=ERROR)
def share_error(shares: Shares, probabilities: Shares, names: Sequence[str]) -> float:
    """Return the mean absolute difference of shares and probabilities, over utterances and labels."""
    return float(np.abs(shares.astype(np.float64) - probabilities.astype(np.float64)).mean())


def _divergence(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Kullback-Leibler divergence of each row of ``x`` from ``y``, ``[N]``; 0 log 0 is 0."""
    logs = np.log(np.maximum(x, SMALLEST)) - np.log(np.maximum(y, SMALLEST))
    sums: NDArray[np.float64] = np.where(x > 0, x * logs, 0.0).sum(-1)  # [N]
    return sums
