"""Metrics of numbers, such as valence: each takes ``[N, C]`` true and predicted numbers, and returns one score each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ercfw import CORRELATION, ERROR, metric

Numbers = NDArray[np.floating]


@metric("regression", scale=ERROR)
def mae(true: Numbers, predicted: Numbers, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the mean absolute error of each number, ``[C]``, in the unit of the number."""
    error: NDArray[np.float64] = np.abs(_difference(true, predicted)).mean(0)  # [C]
    return error


@metric("regression", scale=ERROR)
def rmse(true: Numbers, predicted: Numbers, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the root of the mean squared error of each number, ``[C]``, in the unit of the number."""
    error: NDArray[np.float64] = np.sqrt(np.square(_difference(true, predicted)).mean(0))  # [C]
    return error


@metric("regression", scale=CORRELATION)
def pearson(true: Numbers, predicted: Numbers, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the correlation of each number with its prediction (Pearson), ``[C]``; 0 if one of them is constant."""
    covariance, variances, _ = _moments(true, predicted)
    return _ratio(covariance, np.sqrt(variances[0] * variances[1]))  # [C]


@metric("regression", scale=CORRELATION)
def ccc(true: Numbers, predicted: Numbers, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the concordance correlation coefficient of each number, ``[C]`` (Lin, 1989).

    It is 2 cov(t, p) / (var t + var p + (mean t - mean p)^2), where the moments are divided by N; 0 if both are the
    same constant.
    """
    covariance, variances, distance = _moments(true, predicted)
    return _ratio(2 * covariance, variances[0] + variances[1] + distance**2)  # [C]


def _difference(true: Numbers, predicted: Numbers) -> NDArray[np.float64]:
    return predicted.astype(np.float64) - true.astype(np.float64)  # [N, C]


def _moments(
    true: Numbers, predicted: Numbers
) -> tuple[NDArray[np.float64], tuple[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]:
    """Return the covariance, both variances and the distance of the means, ``[C]`` each, divided by N."""
    t, p = true.astype(np.float64), predicted.astype(np.float64)  # [N, C]
    from_mean = t - t.mean(0), p - p.mean(0)
    return (from_mean[0] * from_mean[1]).mean(0), (t.var(0), p.var(0)), t.mean(0) - p.mean(0)


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ratio, 0 where the denominator is 0."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
