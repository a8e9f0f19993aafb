"""Confusion counts per conversation, and scores computed from them in a vectorised way for resampling."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Score = Callable[[Array], Array]
"""Function from ``[..., C, C]`` counts (rows are true classes, columns predicted ones) to ``[...]`` scores."""


def count(conversations: Sequence[str], true: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> Array:
    """Count confusions per conversation: ``[N], [N] [N] -> [K, C, C]``; conversations in order of appearance."""
    numbers, size = _numbered(conversations)
    cells = (numbers * classes + true) * classes + predicted  # [N]
    counts = np.bincount(cells, minlength=size * classes**2).astype(np.float64)  # [K * C * C]
    return counts.reshape(-1, classes, classes)


def sum_by_conversation(conversations: Sequence[str], features: Array) -> Array:
    """Sum features per conversation: ``[N], [N, ...] -> [K, ...]``; conversations in order of appearance."""
    numbers, size = _numbered(conversations)
    sums = np.zeros((size, *features.shape[1:]))
    np.add.at(sums, numbers, features)
    return sums


def _numbered(conversations: Sequence[str]) -> tuple[NDArray[np.int64], int]:
    """Return the number of each row's conversation ``[N]``, and how many there are."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(conversations))}
    return np.array([numbers[name] for name in conversations], np.int64), len(numbers)


def class_f1(counts: Array) -> Array:
    """Compute the F1 of each class, 0 if it is neither true nor predicted: ``[..., C, C] -> [..., C]``."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)  # [..., C]
    named = counts.sum(-1) + counts.sum(-2)  # [..., C]
    scores: Array = 2 * hits / np.maximum(named, 1)  # [..., C]
    return scores


def weighted_f1(counts: Array) -> Array:
    """Compute the mean F1 of the classes, weighted by how often each is true."""
    true = counts.sum(-1)  # [..., C]
    score: Array = (class_f1(counts) * true).sum(-1) / np.maximum(true.sum(-1), 1)  # [...]
    return score


def macro_f1(counts: Array) -> Array:
    """Compute the mean F1 of the classes that are true; the F1 of the others is 0."""
    score: Array = class_f1(counts).sum(-1) / _true_classes(counts)  # [...]
    return score


def accuracy(counts: Array) -> Array:
    """Compute the share of utterances that are predicted correctly."""
    score: Array = np.trace(counts, axis1=-2, axis2=-1) / np.maximum(counts.sum((-2, -1)), 1)  # [...]
    return score


def unweighted_accuracy(counts: Array) -> Array:
    """Compute the mean recall of the classes that are true."""
    true = counts.sum(-1)  # [..., C]
    recall = np.diagonal(counts, axis1=-2, axis2=-1) / np.maximum(true, 1)  # [..., C]
    score: Array = recall.sum(-1) / _true_classes(counts)  # [...]
    return score


def _true_classes(counts: Array) -> NDArray[np.int64]:
    """Count the classes that are true, at least 1: ``[..., C, C] -> [...]``; predictions do not change the number."""
    number: NDArray[np.int64] = np.maximum((counts.sum(-1) > 0).sum(-1), 1)  # [...]
    return number


WHOLE: Mapping[str, Score] = {
    "weighted-f1": weighted_f1,
    "macro-f1": macro_f1,
    "accuracy": accuracy,
    "unweighted-accuracy": unweighted_accuracy,
}
"""Metrics that are one number, by the names that reports give them."""


def of_class(number: int) -> Score:
    """Return a score that is the F1 of one class."""
    return lambda counts: class_f1(counts)[..., number]
