"""Weights of an ensemble's members, fitted on the labels of dev; they add up to 1."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ercfw.contract.targets import TargetKind
from ercfw.results.comparison.confusion_counts import Array

STEPS, ENOUGH = 10_000, 1e-9


def fit_weights(kind: TargetKind, values: Array, labels: NDArray[Any]) -> Array:
    """Return the weights that fit labels best: by likelihood, or for numbers by squared error.

    Args:
        kind: what the target is.
        values: ``[M, N, C]``, the values that M members predict.
        labels: ``[N]`` classes, ``[N, C]`` labels of 0 and 1, or ``[N, C]`` numbers.

    Returns:
        ``[M]`` weights.
    """
    if kind == "regression":
        return _least_squares(values.reshape(len(values), -1), labels.ravel())
    if kind == "multilabel":
        stacked = np.where(labels == 1, values, 1 - values).reshape(len(values), -1)  # [M, N * C]
    else:
        stacked = values[:, np.arange(len(labels)), labels]  # [M, N]
    return _most_likely(np.maximum(stacked, np.finfo(float).tiny))


def _most_likely(stacked: Array) -> Array:
    """Return the mixture weights that maximise the likelihood, by expectation maximisation: ``[M, N] -> [M]``.

    The log-likelihood is concave in the weights, so every maximum is global, and no step decreases it.
    """
    weights: Array = np.full(len(stacked), 1 / len(stacked))  # [M]
    for _ in range(STEPS):
        shares = weights[:, None] * stacked  # [M, N]
        better = (shares / shares.sum(0)).mean(1)  # [M]
        if np.abs(better - weights).max() < ENOUGH:
            break
        weights = better
    return weights


def _least_squares(values: Array, numbers: Array) -> Array:
    """Return the weights of the smallest squared error: ``[M, N], [N] -> [M]``; the problem is convex."""
    products = values @ values.T / values.shape[1], values @ numbers / values.shape[1]  # [M, M], [M]
    found = minimize(
        lambda w: w @ products[0] @ w - 2 * w @ products[1],
        np.full(len(values), 1 / len(values)),
        jac=lambda w: 2 * (products[0] @ w - products[1]),
        bounds=[(0, 1)] * len(values),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        method="SLSQP",
        options={"maxiter": STEPS, "ftol": ENOUGH**2},
    )
    inside = np.clip(found.x, 0, 1)
    weights: Array = inside / inside.sum()
    return weights
