"""The field's metrics of sentiment from -3 to 3, as MMSA defines them (Yu et al., ACL 2020 and later releases).

They compare classes that are made of the true and the predicted numbers. Each takes ``[N, C]`` numbers and returns one
score per number, ``[C]``.

- ``acc-7``, ``acc-5``, ``acc-3``: both numbers are clipped to -3..3, -2..2 or -1..1 and rounded to the nearest whole
  number (a half to the even one); the score is the share of equal ones.
- ``has0``: the classes are negative, and not negative (0 and above), over all utterances.
- ``non0``: the classes are positive, and not positive, over the utterances whose true number is not 0.
- ``acc-2-*`` is the accuracy of these two classes, ``f1-*`` their F1 weighted by their number of labels.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw import metric

Numbers = NDArray[np.floating]
RANGE = (-3.0, 3.0)


def _rounded(limit: int, true: Numbers, predicted: Numbers) -> NDArray[np.float64]:
    near = [np.rint(np.clip(x, -limit, limit)) for x in (true, predicted)]
    share: NDArray[np.float64] = (near[0] == near[1]).mean(0)  # [C]
    return share


@metric("regression", range=RANGE)
def acc_7(true: Numbers, predicted: Numbers, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the accuracy of seven classes: both numbers clipped to -3..3 and rounded."""
    return _rounded(3, true, predicted)


@metric("regression", range=RANGE)
def acc_5(true: Numbers, predicted: Numbers, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the accuracy of five classes: both numbers clipped to -2..2 and rounded."""
    return _rounded(2, true, predicted)


@metric("regression", range=RANGE)
def acc_3(true: Numbers, predicted: Numbers, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the accuracy of three classes: both numbers clipped to -1..1 and rounded."""
    return _rounded(1, true, predicted)


@metric("regression", range=RANGE)
def acc_2_has0(true: Numbers, predicted: Numbers, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the accuracy of negative and not negative."""
    return _per_number(partial(_accuracy, with_zero=True), true, predicted)


@metric("regression", range=RANGE)
def acc_2_non0(true: Numbers, predicted: Numbers, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the accuracy of positive and not positive, without utterances whose true number is 0."""
    return _per_number(partial(_accuracy, with_zero=False), true, predicted)


@metric("regression", range=RANGE)
def f1_has0(true: Numbers, predicted: Numbers, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the weighted F1 of negative and not negative."""
    return _per_number(partial(_weighted_f1, with_zero=True), true, predicted)


@metric("regression", range=RANGE)
def f1_non0(true: Numbers, predicted: Numbers, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the weighted F1 of positive and not positive, without utterances whose true number is 0."""
    return _per_number(partial(_weighted_f1, with_zero=False), true, predicted)


def _per_number(score: Any, true: Numbers, predicted: Numbers) -> NDArray[np.float64]:
    return np.array([score(t, p) for t, p in zip(true.T, predicted.T, strict=True)])  # [C]


def _two_classes(true: Numbers, predicted: Numbers, with_zero: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the true and the predicted class of each utterance that counts."""
    if with_zero:
        return true >= 0, predicted >= 0
    counts = true != 0
    return true[counts] > 0, predicted[counts] > 0


def _accuracy(true: Numbers, predicted: Numbers, with_zero: bool) -> float:
    t, p = _two_classes(true, predicted, with_zero)
    return float((t == p).mean()) if len(t) else 0.0


def _weighted_f1(true: Numbers, predicted: Numbers, with_zero: bool) -> float:
    from sklearn.metrics import f1_score

    t, p = _two_classes(true, predicted, with_zero)
    return float(f1_score(t, p, average="weighted", zero_division=0)) if len(t) else 0.0
