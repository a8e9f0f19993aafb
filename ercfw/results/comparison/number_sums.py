"""Sums over the numbers of a conversation, and scores computed from them in a vectorised way for resampling.

Features of each number, from the true t and the predicted p of each utterance: how many there are; |p - t|;
(p - t)^2; t, p, t^2, p^2 and t p, for correlations; the hits of 7, 5 and 3 classes; and the confusion counts of two
classes (true negative, false positive, false negative, true positive), with and without the zeros.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ercfw.results.comparison.confusion_counts import Array, Score, sum_by_conversation, weighted_f1

COUNT, ABSOLUTE, SQUARE, T, P, TT, PP, TP, HITS_7, HITS_5, HITS_3 = range(11)
HAS_ZERO, NON_ZERO = slice(11, 15), slice(15, 19)
FEATURES = 19


def sum_numbers(conversations: Sequence[str], true: Array, predicted: Array) -> Array:
    """Sum the features per conversation: ``[N], [N, C], [N, C] -> [K, C, 19]``, in order of appearance."""
    features = np.zeros((*true.shape, FEATURES))  # [N, C, 19]
    error = predicted - true  # [N, C]
    centre = true.mean(0) if len(true) else 0.0  # correlations do not depend on it, and the sums lose fewer digits
    t, p = true - centre, predicted - centre
    for place, feature in enumerate((np.ones_like(t), np.abs(error), error**2, t, p, t**2, p**2, t * p)):
        features[..., place] = feature
    for place, limit in ((HITS_7, 3), (HITS_5, 2), (HITS_3, 1)):
        near = [np.rint(np.clip(x, -limit, limit)) for x in (true, predicted)]
        features[..., place] = near[0] == near[1]
    features[..., HAS_ZERO] = np.eye(4)[2 * (true >= 0) + (predicted >= 0)]
    features[..., NON_ZERO] = np.eye(4)[2 * (true > 0) + (predicted > 0)] * (true != 0)[..., None]
    return sum_by_conversation(conversations, features)


def _share(place: int) -> Score:
    return lambda sums: sums[..., place] / np.maximum(sums[..., COUNT], 1)  # [..., C]


def _root_mean_square(sums: Array) -> Array:
    root: Array = np.sqrt(_share(SQUARE)(sums))  # [..., C]
    return root


def _moments(sums: Array) -> tuple[Array, Array, Array, Array]:
    """Return covariance, both variances and the distance of the means, ``[..., C]`` each."""
    t, p, tt, pp, tp = (_share(place)(sums) for place in (T, P, TT, PP, TP))
    return tp - t * p, np.maximum(tt - t * t, 0), np.maximum(pp - p * p, 0), t - p


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _pearson(sums: Array) -> Array:
    covariance, of_t, of_p, _ = _moments(sums)
    return _ratio(covariance, np.sqrt(of_t * of_p))  # [..., C]


def _concordance(sums: Array) -> Array:
    covariance, of_t, of_p, distance = _moments(sums)
    return _ratio(2 * covariance, of_t + of_p + distance**2)  # [..., C]


def _counts(sums: Array, places: slice) -> Array:
    """Return the confusion counts of two classes, ``[..., C, 2, 2]``."""
    return sums[..., places].reshape(*sums.shape[:-1], 2, 2)


def _two_class_accuracy(places: slice) -> Score:
    def score(sums: Array) -> Array:
        counts = _counts(sums, places)
        shares: Array = np.trace(counts, axis1=-2, axis2=-1) / np.maximum(counts.sum((-2, -1)), 1)  # [..., C]
        return shares

    return score


def _two_class_f1(places: slice) -> Score:
    return lambda sums: weighted_f1(_counts(sums, places))  # [..., C]


PER_NUMBER: Mapping[str, Score] = {
    "mae": _share(ABSOLUTE),
    "rmse": _root_mean_square,
    "pearson": _pearson,
    "ccc": _concordance,
    "acc-7": _share(HITS_7),
    "acc-5": _share(HITS_5),
    "acc-3": _share(HITS_3),
    "acc-2-has0": _two_class_accuracy(HAS_ZERO),
    "acc-2-non0": _two_class_accuracy(NON_ZERO),
    "f1-has0": _two_class_f1(HAS_ZERO),
    "f1-non0": _two_class_f1(NON_ZERO),
}
"""Scores of each number, ``[..., C, 19] -> [..., C]``."""


def _mean_of(score: Score) -> Score:
    def mean(sums: Array) -> Array:
        over_numbers: Array = score(sums).mean(-1)
        return over_numbers

    return mean


WHOLE: Mapping[str, Score] = {name: _mean_of(score) for name, score in PER_NUMBER.items()}
"""Means over the numbers, by the names that reports give them: ``[..., C, 19] -> [...]``."""


def of_number(number: int) -> Callable[[Array], Array]:
    """Return a score that is the concordance of one number."""
    return lambda sums: _concordance(sums)[..., number]
